#!/bin/sh
# Makes the environment in which benchmarks/peers.py runs: sh benchmarks/peers.sh DIR
#
# It needs Python 3.11 and 9 GB: torch and torchvision are the builds that every platform gets, CUDA
# included. The peers are installed without their dependencies, which ask for versions that exclude
# each other (facenet-pytorch: torch < 2.3) or for what is not used here.
#
# The dlib of dlib-bin has no BLAS: its embedder takes four times as long as one built with OpenBLAS.
# DLIB=source builds dlib here, for which it needs a C++ compiler, OpenBLAS (Debian: build-essential,
# libopenblas-dev) and ten minutes or more.
set -e

if [ $# -ne 1 ]; then
    echo "usage: [DLIB=source] sh $0 DIR" >&2
    exit 2
fi

python3.11 -m venv "$1"
python="$1/bin/python"
install() {
    "$python" -m pip install --quiet "$@"
}

install torch==2.14.1 torchvision==0.29.1
# tensorflow 2.19 and tf-keras 2.19 go together; face_recognition_models imports pkg_resources.
install numpy==1.26.4 pillow==10.2.0 opencv-python-headless==4.11.0.86 setuptools==80.9.0 \
    tensorflow==2.19.0 tf-keras==2.19.0 mtcnn==1.0.0 pandas==2.2.3 gdown==6.5.1 requests==2.34.2 \
    tqdm==4.70.1
install --no-deps facenet-pytorch==2.6.0 deepface==0.0.103
install --no-deps --no-build-isolation face-recognition==1.3.0 face-recognition-models==0.3.0
if [ "$DLIB" = source ]; then
    install --no-deps --no-binary dlib dlib==20.0.1
else
    install --no-deps dlib-bin==20.0.1.post1
fi
