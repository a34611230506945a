"""The exported modules in somebody else's page, as the folder's README.md has it."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.servers import plainly_serving

IMAGES = """async (file) => {
  const { recognise } = await import("./recognise.js");
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const img = Object.assign(new Image(), { src: URL.createObjectURL(file) });
  await img.decode();
  const frame = new VideoFrame(bitmap, { timestamp: 0 });
  const data = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const found = [];
  for (const image of [file, bitmap, canvas, img, frame, data]) found.push(await recognise(image));
  frame.close();
  return found;
}"""
REFUSED = """async (elsewhere) => {
  const { recognise } = await import("./recognise.js");
  const foreign = Object.assign(new Image(), { src: `${elsewhere}icon.svg` });
  await foreign.decode();
  const given = { foreign, nothing: undefined, text: "a.jpg", unloaded: new Image(),
    words: new Blob(["words"]), tiny: new ImageData(4, 4), huge: new OffscreenCanvas(8000, 6000) };
  const said = {};
  for (const [name, image] of Object.entries(given)) {
    said[name] = await recognise(image).then(
      () => "recognised", (error) => `${error.constructor.name}: ${error.message}`);
  }
  return said;
}"""
REASONS = {
    "foreign": "another site's",
    "nothing": "no picture, or it is not loaded",
    "text": "no picture, or it is not loaded",
    "unloaded": "no picture, or it is not loaded",
    "words": "not a picture that this browser can read",
    "tiny": "4×4 pixels: too small",
    "huge": "more than 40 million",
}


LOST = """async () => {
  const { openModels } = await import("./models.js");
  const [set, context] = [tf.setBackend, OffscreenCanvas.prototype.getContext];
  const asked = [];
  tf.setBackend = async (name) => {
    asked.push(name);
    return name === "webgl" ? false : set(name);
  };
  OffscreenCanvas.prototype.getContext = function (kind) {
    const card = { getExtension: () => null, getParameter: () => "A Card" };
    return kind === "webgl2" ? card : context.call(this, kind);
  };
  tf.env().set("WEBGL_RENDER_FLOAT32_CAPABLE", true);
  const open = (options) => openModels(new URL("./", location), options);
  const { backend } = await open({});
  const problem = await open({ backend: "webgl" }).catch((error) => error.message);
  return { backend, problem, asked };
}"""


@pytest.fixture(scope="module")
def folder(site, tmp_path_factory) -> Path:
    """The exported folder, to which an app builder adds pages of their own."""
    folder = tmp_path_factory.mktemp("app")
    for path in site.folder.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "blank.html").write_text("<!doctype html><title>Mine</title>")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with plainly_serving(folder) as url:
        yield url


def example(folder: Path, language: str) -> str:
    """The one piece of code in a language that the folder's README.md has."""
    [_, code] = (folder / "README.md").read_text().split(f"```{language}\n")
    return code.split("```")[0]


def names(site) -> set[str]:
    return {person.name for person in site.cast.people}


def test_the_page_of_the_readme_names_who_is_in_a_picture(
    site, folder, server, open_page, pictures, tmp_path
):
    (folder / "who.html").write_text(example(folder, "html"))
    page = open_page(f"{server}who.html", ready=False)
    expect(page).to_have_title("Who is it?")
    lines = page.locator("li")
    # Before the modules are there nothing answers.
    page.wait_for_load_state()
    page.set_input_files("input", pictures[1])
    expect(lines).to_have_count(2)
    for line in lines.all_inner_texts():
        name, _, rest = line.partition(": ")
        assert name in names(site)
        assert rest.startswith(("0.", "1.0"))
    page.set_input_files("input", pictures[-1])
    expect(lines).to_contain_text(["unknown: "])
    (tmp_path / "words.txt").write_text("no picture")
    page.set_input_files("input", tmp_path / "words.txt")
    expect(lines).to_contain_text(["not a picture"])
    page.set_input_files("input", [])
    expect(lines).to_contain_text(["not a picture"])


def test_its_script_works_as_a_file_under_the_policy(site, open_page, url, pictures):
    html, script = example(site.folder, "html").split('<script type="module">')
    answers = {
        "who.html": (f'{html}<script type="module" src="who.js"></script>', "text/html"),
        "who.js": (script.split("</script>")[0], "text/javascript"),
    }

    def answer(route):
        body, kind = answers[route.request.url.rpartition("/")[2]]
        policy = {"Content-Security-Policy": headers["content-security-policy"]}
        route.fulfill(body=body, content_type=kind, headers=policy)

    page = open_page()
    headers = page.request.get(url).headers
    page.context.route("**/who.*", answer)
    page.goto(f"{url}who.html")
    page.set_input_files("input", pictures[0])
    expect(page.locator("li")).to_contain_text([": "])
    assert page.locator("li").inner_text().partition(": ")[0] in names(site)


def test_the_worker_of_the_readme_names_them_too(site, folder, server, open_page, pictures):
    imports, body = example(folder, "js").split("\n\n", 1)
    ask = f"""<!doctype html><input type="file" /><output></output><script type="module">
      {imports}
      document.querySelector("input").onchange = async ({{ target: {{ files: [file] }} }}) => {{
        {body}
        document.querySelector("output").textContent = JSON.stringify(faces);
      }};
    </script>"""
    (folder / "worker.html").write_text(ask)
    page = open_page(f"{server}worker.html", ready=False)
    page.set_input_files("input", pictures[1])
    output = page.locator("output")
    expect(output).not_to_be_empty()
    faces = json.loads(output.inner_text())
    assert len(faces) == 2
    for face in faces:
        assert set(face) == {"box", "person_id", "name", "probability"}
        assert face["name"] in names(site)


def test_whatever_shows_a_picture_can_be_recognised(server, open_page, pictures):
    page = open_page(f"{server}blank.html", ready=False)
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('input'), { type: 'file' }))"
    )
    page.set_input_files("input", pictures[0])
    ask = f"() => ({IMAGES})(document.querySelector('input').files[0])"
    first, *rest = page.evaluate(ask)
    assert len(first) == 1
    assert first[0]["name"]
    assert all(found == first for found in rest)


def test_what_can_not_be_recognised_is_said(site, server, open_page):
    with plainly_serving(site.folder) as elsewhere:
        page = open_page(f"{server}blank.html", ready=False)
        said = page.evaluate(REFUSED, elsewhere)
    assert said.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert said[name].startswith("PictureError: "), (name, said[name])
        assert reason in said[name], (name, said[name])


def test_a_graphics_card_that_does_not_start_is_done_without(server, open_page):
    page = open_page(f"{server}blank.html", ready=False)
    found = page.evaluate(LOST)
    assert found["backend"] == "wasm"
    assert found["asked"] == ["webgl", "wasm", "webgl"]
    assert "can't compute with webgl" in found["problem"]
