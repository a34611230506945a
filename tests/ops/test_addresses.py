"""What is said of an address for alarms that is none, before a server is told anything."""

import logging

import pytest
from pydantic import SecretStr

from elenco.errors import ConfigError
from elenco.settings import Alarms
from tasks.ops.addresses import check

# By a plug-in of Apprise, which loads all of them.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
RIGHT = [
    "mailtos://user:hush@smtp.example.com:587?from=elenco@example.com&to=ops@example.com",
    "mailtos://user:hu%40sh@smtp.example.com?from=a@example.com&to=b@example.com,c@example.com",
    "mailto://127.0.0.1:25/ops@example.com?from=elenco@example.com",
    "mailtos://someone:hush@gmail.com",
]
WRONG = {
    "no sender": "mailtos://smtp.example.com?to=hush@example.com",
    "no host": "mailtos://user:hush@/?from=a@example.com&to=b@example.com",
    "a recipient that is none": "mailtos://smtp.example.com?from=a@example.com&to=b@example.com,hush",
    "a port that is none": "mailtos://user:hush@smtp.example.com:many?from=a@example.com",
    "/ in a password": "mailtos://user:hush/hush@smtp.example.com?from=a@example.com",
    "@ in a password": "mailtos://user:hush@hush@smtp.example.com?from=a@example.com",
    "# in a password": "mailtos://user:hush#hush@smtp.example.com?from=a@example.com",
    "two": "mailtos://hush.example?from=a@example.com,mailtos://b.example?from=a@example.com",
}


@pytest.mark.parametrize("url", RIGHT)
def test_what_mail_can_be_sent_by_is_taken(url):
    check(Alarms(email_url=SecretStr(url)))
    check(Alarms())


@pytest.mark.parametrize("what", WRONG)
def test_what_it_can_not_be_sent_by_is_said_in_a_line_without_it(what, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match=r"alarms\.email_url is no address") as caught:
        check(Alarms(email_url=SecretStr(WRONG[what])))
    out, err = capfd.readouterr()
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value) + caplog.text + out + err
    assert logging.getLogger("apprise").propagate
