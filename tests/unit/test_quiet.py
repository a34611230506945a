import subprocess
import sys


def test_importing_tensorflow_is_silent_and_other_messages_get_through():
    code = (
        "import os, sys\n"
        "from elenco.quiet import import_tensorflow\n"
        "class Loud:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tensorflow':\n"
        "            os.write(2, b'a real problem\\n')\n"
        "sys.meta_path.insert(0, Loud())\n"
        "import_tensorflow()\n"
        "import_tensorflow()\n"
        "assert 'tensorflow' in sys.modules\n"
        "print('after', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["a real problem", "after"]
