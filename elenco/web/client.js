// The page's end of `worker.js`.

/** A recogniser in a worker. Every promise fails with an Error whose message is for a person. */
export class Client {
  /** @param {(share: number) => void} progress is told how far the models are loaded, 0..1. */
  constructor(progress) {
    this.waiting = new Map();
    this.count = 0;
    // A worker made of a blob has the page's policy; one made of a file has only what the server
    // sends with it, which on a plain web server is none.
    const code = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.worker = new Worker(url, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => {
      if ("progress" in data) progress(data.progress);
      else this.settle(data);
    });
    this.worker.addEventListener("error", ({ message }) => {
      const problem = `The recogniser stopped (${message || "a file of the page is missing"}). Reload the page.`;
      for (const id of this.waiting.keys()) this.settle({ id, problem });
    });
  }

  /** Load the models; {version, people, embedder, backend, bytes}. */
  load(backend) {
    return this.ask({ what: "load", backend });
  }

  /** The faces of a picture's file, as `recognise` gives them. */
  picture(file) {
    return this.ask({ what: "picture", file });
  }

  /** The faces of a video's frame, as `Follower` gives them; `frame` is an ImageBitmap, used up. */
  frame(frame, time, restart) {
    return this.ask({ what: "frame", frame, time, restart }, [frame]);
  }

  close() {
    this.worker.terminate();
    this.waiting.clear();
  }

  ask(message, transfer = []) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...message }, transfer);
    });
  }

  settle({ id, answer, problem }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (problem === undefined) resolve(answer);
    else reject(new Error(problem));
  }
}
