"""Films with known truth: heads that move over a wall, cut after cut.

    python -m elenco.demo.film OUT.mp4     a short film of the synthetic cast, and its cast list

Everything follows from the takes that are given; the same takes give the same pictures.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from elenco.demo.cast import CastPerson
from elenco.demo.portraits import texture
from elenco.demo.synthetic import SyntheticCast
from elenco.faces.images import Picture, decode
from elenco.storage import write_text

_HEAD = (1.05, 0.92)  # half axes of a head, in widths and heights of the face's box
_UP = 0.12  # of the box's height: the head's middle is so much above the face's
_EDGE = 0.28  # share of the head's radius over which it fades into the wall


@dataclass(frozen=True, eq=False)
class Head:
    """Somebody's head, cut out of a picture.

    Attributes:
        who: a person's id, or a name of a stranger.
        picture: RGB.
        mask: 0..1, how much of each pixel is shown.
        box: of the face, x1, y1, x2, y2 in pixels of the picture.
    """

    who: str
    picture: Picture
    mask: Float32[np.ndarray, "h w"]
    box: tuple[float, float, float, float]

    @staticmethod
    def of(who: str, picture: Picture, box: Sequence[float]) -> "Head":
        """Cut an ellipse around a face out of a picture."""
        x1, y1, x2, y2 = (float(value) for value in box)
        height, width = picture.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        across = (x - (x1 + x2) / 2) / (_HEAD[0] * (x2 - x1))
        down = (y - (y1 + y2) / 2 + _UP * (y2 - y1)) / (_HEAD[1] * (y2 - y1))
        fade = np.clip((1 - np.hypot(across, down)) / _EDGE, 0, 1)
        return Head(who, picture, fade * fade * (3 - 2 * fade), (x1, y1, x2, y2))


@dataclass(frozen=True)
class Move:
    """From where to where a face goes during a take, in a straight line with a sway.

    Attributes:
        start: middle of the face, x and y as shares of the picture; its height, as a share of the
            picture's; its turn in degrees.
        end: likewise.
        sway: how far it swings to either side, as a share of the picture, once in two seconds.
    """

    start: tuple[float, float, float, float]
    end: tuple[float, float, float, float]
    sway: float = 0.0

    def at(self, share: float, seconds: float) -> tuple[float, float, float, float]:
        """Where it is, after a share of the take."""
        x, y, size, turn = (a + share * (b - a) for a, b in zip(self.start, self.end, strict=True))
        return x + self.sway * float(np.sin(np.pi * seconds)), y, size, turn


@dataclass(frozen=True)
class Role:
    """A head in a take.

    Attributes:
        head: whose.
        move: its way.
        enters: seconds of the take from which it is there.
        leaves: seconds of the take from which it is not.
        blur: Gaussian blur, sigma in pixels of the film.
    """

    head: Head
    move: Move
    enters: float = 0.0
    leaves: float = float("inf")
    blur: float = 0.0


@dataclass(frozen=True, eq=False)
class Take:
    """A shot.

    Attributes:
        seconds: how long.
        wall: what is behind everybody; RGB, of any size.
        roles: the last is in front.
        zoom: how many times larger the camera shows it at the end than at the beginning.
        light: brightness, a factor.
        flash: seconds at which a lamp flashes for two frames.
        dissolve: seconds over which it goes over into the next take.
    """

    seconds: float
    wall: Picture
    roles: tuple[Role, ...] = ()
    zoom: float = 1.0
    light: float = 1.0
    flash: float | None = None
    dissolve: float = 0.0


@dataclass(frozen=True)
class TrueFace:
    """A face that is shown.

    Attributes:
        who: as `Head.who`.
        box: x, y, w, h as shares of the picture; may reach beyond it.
        visible: share of the box that is inside the picture and not behind another face; in a
            dissolve, less of it.
    """

    who: str
    box: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True)
class Truth:
    """What a film shows.

    Attributes:
        times: seconds of each frame.
        faces: those of each frame.
        cuts: seconds at which takes begin, but for the first; of a dissolve, its middle.
    """

    times: list[float] = field(default_factory=list)
    faces: list[list[TrueFace]] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)


def write_film(
    path: Path,
    takes: Sequence[Take],
    *,
    size: tuple[int, int] = (1280, 720),
    fps: int = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    rotation: int = 0,
    seed: int = 0,
) -> Truth:
    """Render takes and encode them.

    Args:
        path: of the film; its ending says which container.
        takes: in order.
        size: width and height in pixels, upright.
        fps: frames a second.
        codec: an encoder of FFmpeg that takes yuv420p.
        options: its options.
        rotation: degrees counter-clockwise by which a player is to turn the stored pictures.
        seed: of the grain.
    """
    truth = Truth()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        if not isinstance(stream, av.VideoStream):
            raise ValueError(f"{codec} encodes no video")
        stored = size[::-1] if rotation % 180 else size
        stream.width, stream.height = stored
        stream.pix_fmt = "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for number, (picture, faces) in enumerate(render(takes, size, fps, seed, truth.cuts)):
            truth.times.append(number / fps)
            truth.faces.append(faces)
            turned = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
            frame = av.VideoFrame.from_ndarray(turned, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return truth


def render(
    takes: Sequence[Take], size: tuple[int, int], fps: int, seed: int, cuts: list[float]
) -> Iterator[tuple[Picture, list[TrueFace]]]:
    """The frames of a film with what is on them; where takes begin is added to `cuts`."""
    noise = np.random.default_rng(seed).normal(0, 2.5, (size[1] + 64, size[0] + 64, 1))
    grain = np.repeat(noise.round().astype(np.int16), 3, axis=2)
    number, begins = 0, 0.0
    for place, take in enumerate(takes):
        ends = begins + take.seconds
        before = takes[place - 1] if place else None
        after = takes[place + 1] if place + 1 < len(takes) else None
        while number / fps < ends - 1e-9:
            seconds = number / fps - begins
            picture, faces = _draw(take, seconds, size)
            if after is not None and (mixed := _mixed(take, take.seconds - seconds)) > 0:
                picture, faces = _mix(
                    picture, faces, *_draw(after, seconds - take.seconds, size), mixed
                )
            elif before is not None and (mixed := _mixed(before, seconds)) > 0:
                picture, faces = _mix(
                    picture, faces, *_draw(before, before.seconds + seconds, size), mixed
                )
            y, x = (7 * number) % 64, (13 * number) % 64
            yield (
                cv2.add(picture, grain[y : y + size[1], x : x + size[0]], dtype=cv2.CV_8U),
                faces,
            )
            number += 1
        begins = ends
        if after is not None:
            cuts.append(number / fps)


def _mix(
    picture: Picture, faces: list[TrueFace], other: Picture, others: list[TrueFace], mixed: float
) -> tuple[Picture, list[TrueFace]]:
    """Two pictures over one another, and the faces of both, each less visible."""
    both = [replace(face, visible=(1 - mixed) * face.visible) for face in faces]
    both += [replace(face, visible=mixed * face.visible) for face in others]
    return cv2.addWeighted(picture, 1 - mixed, other, mixed, 0), both


def _mixed(take: Take, seconds: float) -> float:
    """The share of the other take so many seconds from the middle of a take's dissolve."""
    return 0.5 - seconds / take.dissolve if take.dissolve else 0.0


def _draw(take: Take, seconds: float, size: tuple[int, int]) -> tuple[Picture, list[TrueFace]]:
    """A moment of a take; before its beginning and after its end all go on as they did."""
    width, height = size
    share = seconds / take.seconds
    zoom = 1 + (take.zoom - 1) * share
    canvas = _wall(take, zoom, size).copy()
    shown: list[tuple[str, np.ndarray]] = []
    for role in take.roles:
        if role.enters <= seconds < role.leaves:
            x, y, tall, turn = role.move.at(share, seconds)
            x, y = (0.5 + zoom * (value - 0.5) for value in (x, y))
            box = _paste(canvas, role, x * width, y * height, zoom * tall * height, turn)
            shown.append((role.head.who, box))
    if take.light != 1 or take.flash is not None:
        flashes = take.flash is not None and 0 <= seconds - take.flash < 0.08
        light, lift = (2.5, 60.0) if flashes else (take.light, 0.0)
        canvas = cv2.convertScaleAbs(canvas, alpha=light, beta=lift)
    boxes = [box for _, box in shown]
    faces = []
    for place, (who, box) in enumerate(shown):
        x1, y1, x2, y2 = (box / (width, height, width, height)).tolist()
        visible = _visible(box, boxes[place + 1 :], size)
        faces.append(TrueFace(who, (x1, y1, x2 - x1, y2 - y1), visible))
    return canvas, faces


@lru_cache(maxsize=2)  # a dissolve draws two takes in turn; most walls stay as they are
def _wall(take: Take, zoom: float, size: tuple[int, int]) -> Picture:
    wall = np.array(take.wall.shape[1::-1])
    scale = zoom * float((np.array(size) / wall).max()) * 1.02
    corner = np.array(size) / 2 - scale * wall / 2
    matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    return cv2.warpAffine(take.wall, matrix, size, borderMode=cv2.BORDER_REFLECT)


def _paste(
    canvas: UInt8[np.ndarray, "h w 3"], role: Role, x: float, y: float, tall: float, turn: float
) -> Float32[np.ndarray, " 4"]:
    """Blend a head into the canvas; the box of its face in pixels."""
    head = role.head
    x1, y1, x2, y2 = head.box
    scale = tall / (y2 - y1)
    matrix = cv2.getRotationMatrix2D(((x1 + x2) / 2, (y1 + y2) / 2), turn, scale)
    matrix[:, 2] += x - (x1 + x2) / 2, y - (y1 + y2) / 2
    reach = 1.4 * tall + 4 * role.blur
    height, width = canvas.shape[:2]
    left, right = (int(np.clip(value, 0, width)) for value in (x - reach, x + reach + 1))
    top, bottom = (int(np.clip(value, 0, height)) for value in (y - reach, y + reach + 1))
    if right > left and bottom > top:
        moved = matrix.copy()
        moved[:, 2] -= left, top
        part = (right - left, bottom - top)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        face = cv2.warpAffine(head.picture, moved, part, flags=how, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(head.mask, moved, part, flags=cv2.INTER_LINEAR)
        if role.blur:
            face = cv2.GaussianBlur(face, (0, 0), role.blur)
        region = canvas[top:bottom, left:right]
        region[:] = cv2.blendLinear(face, np.ascontiguousarray(region), alpha, 1 - alpha)
    half = 0.5 * scale * np.array([x2 - x1, y2 - y1])
    return np.array([x - half[0], y - half[1], x + half[0], y + half[1]], np.float32)


def _visible(
    box: Float32[np.ndarray, " 4"], over: Sequence[np.ndarray], size: tuple[int, int]
) -> float:
    """Share of a box inside the picture and under none of the others, on a grid of points."""
    x = np.linspace(box[0], box[2], 24)[None]
    y = np.linspace(box[1], box[3], 24)[:, None]
    seen = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    for other in over:
        seen &= ~((x >= other[0]) & (x < other[2]) & (y >= other[1]) & (y < other[3]))
    return float(seen.mean())


def demo_takes(cast: SyntheticCast, people: Sequence[CastPerson], seed: int = 0) -> list[Take]:
    """A minute or less of people of a cast, alone and in twos, and of a stranger.

    Args:
        cast: theirs.
        people: three or more.
        seed: of who goes where.
    """
    rng = np.random.default_rng(seed)

    def head(person: CastPerson | None, number: int) -> Head:
        picture = cast.new_picture(1000 + number, person)
        box = picture.faces[0].box
        assert box is not None
        who = str(person.id) if person else "stranger"
        return Head.of(who, decode(picture.data, 40), box)

    takes: list[Take] = []
    groups: list[tuple[CastPerson | None, ...]] = [(person,) for person in people]
    groups[1:1] = [(people[0], people[1]), (None,), (people[2], None)]
    for number, group in enumerate(groups):
        middle = rng.uniform(0.42, 0.58, len(group))
        slots = [(0.5,), (0.3, 0.7)][len(group) - 1]
        roles = []
        for place, person in enumerate(group):
            x, y, size = slots[place], float(middle[place]), float(rng.uniform(0.22, 0.34))
            drift = rng.uniform(-0.06, 0.06, 2)
            start = (x, y, size, float(rng.normal(0, 4)))
            end = (x + drift[0], y + drift[1], size * float(rng.uniform(0.9, 1.15)), start[3])
            later = 0.8 * place
            roles.append(Role(head(person, number), Move(start, end, 0.01), enters=later))
        wall = texture(rng, 640, 360)
        takes.append(Take(3.0, wall, tuple(roles), dissolve=0.6 if number == 2 else 0.0))
    return takes


def main() -> None:
    """Write the demo's film, and beside it the list of its cast."""
    if len(sys.argv) != 2:
        sys.exit("give one path: where the film is to be written, such as data/demo/film.mp4")
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    cast = SyntheticCast(40)
    people = [person for person in cast.people if person.department == "Acting"][:5]
    write_film(path, demo_takes(cast, people), options={"crf": "23", "preset": "veryfast"})
    parts = ("The Pilot", "The Harpist", "The Clerk", "The Neighbour", "The Ferryman")
    tables = [
        f'[[person]]\nid = {person.id}\nname = "{person.name}"\ncharacter = "{part}"\n'
        for person, part in zip(people, parts, strict=True)
    ]
    write_text(path.with_suffix(".toml"), "\n".join(tables))
    print(f"{path}: a film of {len(people)} people who do not exist; its cast: {path.stem}.toml")


if __name__ == "__main__":
    main()
