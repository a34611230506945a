// The camera, and why there is none.

/** @throws {Error} with a message for a person. */
export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("The camera works only on a secure page: open it over https, or on localhost.");
  }
  try {
    const video = { width: { ideal: 640 }, height: { ideal: 360 }, facingMode: "user" };
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera does not start (${error.message}).`);
  }
}

const REASONS = {
  NotAllowedError:
    "The camera was refused. Allow it for this page in the browser's settings, or choose a picture.",
  NotFoundError: "There is no camera. Choose a picture or video instead.",
  NotReadableError: "The camera is in use by another program. Close that, and try again.",
};
