"""Photographs a second of other people's pipelines, from JPEG files to embeddings, on the CPU.

    sh benchmarks/peers.sh DIR
    DIR/bin/python benchmarks/peers.py NAME PHOTOS [--repeat 1] [--batch 32]

Runs in an environment of its own, without Elenco. PHOTOS holds *.jpg of one size. Every peer is
called the fast way that its documentation gives (`-one`: one photograph at a time) and embeds one
face a photograph, the largest. The last line printed is one JSON object: "both" is photographs a
second from files to embeddings, "detect" photographs a second from decoded pictures to boxes or
crops, "embed" faces a second from there; the best of the repeats, after a warm-up. "peak_mb" is
what "both" held resident, in all its processes together.

The FaceNets have random weights: only the time counts here, and it does not depend on them.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Read when the frameworks are imported, by this process or one that it starts.
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
CORES = len(os.sched_getaffinity(0))
Many = Sequence[Any]


class FacenetPytorch:
    """MTCNN on lists of PIL images of one size, InceptionResnetV1 on the stacked crops."""

    packages = ("facenet-pytorch", "torch", "torchvision", "pillow", "numpy")

    def __init__(self, options: argparse.Namespace) -> None:
        import torch
        from facenet_pytorch import MTCNN, InceptionResnetV1
        from PIL import Image

        torch.set_num_threads(CORES)
        self.torch, self.batch = torch, options.batch
        self.load = lambda file: Image.open(file).convert("RGB")
        self.mtcnn = MTCNN(min_face_size=options.min_face)
        self.resnet = InceptionResnetV1(pretrained=None, classify=False).eval()
        self.settings = {"batch": self.batch, "min_face": options.min_face}

    def detect(self, pictures: Many) -> Many:
        found: list[Any] = []
        for some in batches(pictures, self.batch):
            # What mtcnn(some) does, but for its choice of the largest box, which raises where one
            # of several pictures has no face. `detect` puts the largest first anyway.
            boxes, _ = self.mtcnn.detect(some)
            found += self.mtcnn.extract(some, boxes, None)
        return [face for face in found if face is not None]

    def embed(self, faces: Many) -> None:
        for some in batches(faces, self.batch):
            with self.torch.inference_mode():
                self.resnet(self.torch.stack(some))

    def both(self, files: Sequence[Path]) -> None:
        for some in batches(files, self.batch):
            self.embed(self.detect([self.load(file) for file in some]))


class Deepface:
    """`represent` of lists of files: one by one through MTCNN, together through FaceNet."""

    packages = ("deepface", "mtcnn", "tensorflow", "tf-keras", "opencv-python-headless", "numpy")

    def __init__(self, options: argparse.Namespace) -> None:
        # It makes a folder for weights as soon as it is imported.
        os.environ["DEEPFACE_HOME"] = tempfile.gettempdir()
        from deepface import DeepFace
        from deepface.commons import image_utils, weight_utils

        weight_utils.download_weights_if_necessary = lambda **_: ""
        weight_utils.load_model_weights = lambda model, weight_file: model
        self.load = lambda file: image_utils.load_image(str(file))[0]
        self.deepface, self.batch, self.settings = DeepFace, options.batch, {"batch": options.batch}
        self.mtcnn = {"detector_backend": "mtcnn", "enforce_detection": False}

    def detect(self, pictures: Many) -> Many:
        found = self.deepface.extract_faces(
            list(pictures), color_face="bgr", normalize_face=False, **self.mtcnn
        )
        largest = (max(faces, key=lambda face: face["face"].size) for faces in found)
        # Where it finds no face the whole picture is one, of confidence 0.
        return [face["face"] for face in largest if face["confidence"] > 0]

    def embed(self, faces: Many) -> None:
        for some in batches(faces, self.batch):
            self.deepface.represent(list(some), model_name="Facenet", detector_backend="skip")

    def both(self, files: Sequence[Path]) -> None:
        for some in batches(files, self.batch):
            paths = [str(file) for file in some]
            self.deepface.represent(paths, model_name="Facenet", max_faces=1, **self.mtcnn)


class Dlib:
    """face_recognition in a process a core, as its own commands do when given `--cpus`."""

    packages = ("face-recognition", "pillow", "numpy")

    def __init__(self, options: argparse.Namespace) -> None:
        # A BLAS that dlib was built with would start a thread a core in each of them.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        import dlib
        import face_recognition

        self.settings = {"dlib": dlib.__version__, "blas": bool(dlib.DLIB_USE_BLAS)}
        self.settings["upsample"] = self.upsample = options.upsample
        self.load, self.encode = face_recognition.load_image_file, face_recognition.face_encodings
        self.pool = multiprocessing.get_context("forkserver").Pool(CORES)

    def detect(self, pictures: Many) -> Many:
        boxes = self.pool.starmap(dlib_detect, [(each, self.upsample) for each in pictures], 1)
        return [(each, box) for each, box in zip(pictures, boxes, strict=True) if box]

    def embed(self, faces: Many) -> None:
        self.pool.starmap(self.encode, faces, 1)

    def both(self, files: Sequence[Path]) -> None:
        self.pool.starmap(dlib_both, [(file, self.upsample) for file in files], 1)


def dlib_detect(picture: Any, upsample: int) -> Many:
    from face_recognition import face_locations

    boxes = face_locations(picture, upsample, model="hog")  # top, right, bottom, left
    return sorted(boxes, key=lambda box: (box[2] - box[0]) * (box[1] - box[3]))[-1:]


def dlib_both(file: Path, upsample: int) -> Many:
    from face_recognition import face_encodings, load_image_file

    picture = load_image_file(file)
    box = dlib_detect(picture, upsample)
    return face_encodings(picture, box) if box else []


def batches(items: Many, size: int) -> Iterator[Many]:
    return (items[i : i + size] for i in range(0, len(items), size))


def peak(peer: Any) -> int:
    """MB resident at most until now; pages that a pool's processes share count in each of them."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if hasattr(peer, "pool"):
        asked = [resource.RUSAGE_SELF] * 8 * CORES
        most += CORES * max(u.ru_maxrss for u in peer.pool.map(resource.getrusage, asked, 1))
    return round(most / 1024)


PEERS = {"facenet-pytorch": FacenetPytorch, "deepface": Deepface, "dlib": Dlib}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*PEERS, "facenet-pytorch-one", "deepface-one"])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--min-face", type=int, default=20, help="pixels; facenet-pytorch only")
    parser.add_argument("--upsample", type=int, default=0, help="times; dlib only")
    options = parser.parse_args()
    options.batch = 1 if options.name.endswith("-one") else options.batch
    files = sorted(options.photos.glob("*.jpg"))
    peer = PEERS[options.name.removesuffix("-one")](options)
    answer = {"name": options.name, "settings": peer.settings, "photographs": len(files)}
    answer["versions"] = {package: version(package) for package in peer.packages}

    def rate(work: Callable[[Many], Any], items: Many) -> tuple[float, Any]:
        took = []
        for _ in range(options.repeat):
            started = time.perf_counter()
            found = work(items)
            took.append(time.perf_counter() - started)
        return round(len(items) / min(took), 2), found

    for count in (4, 3):  # TensorFlow traces a second batch size anew, and then no other
        peer.both(files[:count])
    answer["both"], _ = rate(peer.both, files)
    answer["peak_mb"] = peak(peer)  # before all pictures are held decoded, for the steps alone
    answer["detect"], faces = rate(peer.detect, [peer.load(file) for file in files])
    answer["faces"] = len(faces)
    answer["embed"], _ = rate(peer.embed, faces)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
