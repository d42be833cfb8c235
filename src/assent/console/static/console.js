// What only a script can do: the camera, a button that prints, two videos that run together, a live picture that goes
// on. Everything else works without it.
"use strict";

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function button(text, className, act) {
  const element = make("button", text, className);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

class Camera {
  constructor(holder) {
    this.holder = holder;
    this.input = holder.querySelector("input[type=file]");
    this.several = holder.hasAttribute("data-several");
    this.shots = make("ul", "", "shots");
    this.place = make("div", "", "camera");
    this.opener = button("Use the camera", "quiet", () => this.open());
    this.message = make("p", "", "hint");
    this.message.setAttribute("role", "status");
    this.place.append(this.opener);
    holder.append(this.place, this.message, this.shots);
    this.input.addEventListener("change", () => this.show());
  }

  async open() {
    this.message.textContent = "";
    try {
      const facingMode = this.holder.dataset.camera;
      const video = { facingMode, width: { ideal: 1920 }, height: { ideal: 1080 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      this.message.textContent = error.name === "NotAllowedError"
        ? "The browser does not let this page use the camera; allow it, or choose a file."
        : "There is no camera to be used here; choose a file.";
      return;
    }
    this.video = make("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.setAttribute("aria-label", "What the camera sees");
    this.video.srcObject = this.stream;
    this.taker = button("Take the photo", "", () => this.take());
    this.taker.disabled = true;
    this.video.addEventListener("loadeddata", () => {
      this.taker.disabled = false;
      this.taker.focus();
    });
    const bar = make("div", "", "buttons");
    bar.append(this.taker, button("Close the camera", "quiet", () => this.close()));
    this.place.replaceChildren(this.video, bar);
    await this.video.play().catch(() => undefined);
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = undefined;
    this.place.replaceChildren(this.opener);
    this.opener.focus();
  }

  take() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = make("canvas");
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    canvas.toBlob((blob) => this.keep(blob), "image/jpeg", 0.95);
  }

  // The picture becomes a file of the form, as if it had been chosen; the form sends it.
  keep(blob) {
    const files = new DataTransfer();
    if (this.several) for (const file of this.input.files) files.items.add(file);
    const name = `camera-${files.items.length + 1}.jpg`;
    files.items.add(new File([blob], name, { type: "image/jpeg" }));
    this.input.files = files.files;
    this.show();
    this.message.textContent = this.several
      ? `Taken: ${files.items.length} so far. They are sent with the form.`
      : "Taken. It is sent with the form.";
    if (!this.several) this.close();
  }

  show() {
    for (const image of this.shots.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    this.shots.replaceChildren();
    for (const file of this.input.files) {
      const item = make("li");
      const image = make("img");
      image.alt = file.name;
      image.src = URL.createObjectURL(file);
      image.addEventListener("error", () => item.remove());
      item.append(image);
      this.shots.append(item);
    }
  }
}

// Browsers offer cameras to pages that came over https or from this machine only.
if (navigator.mediaDevices?.getUserMedia) {
  for (const holder of document.querySelectorAll("[data-camera]")) new Camera(holder);
}
for (const place of document.querySelectorAll("[data-print]")) {
  place.append(button("Print", "quiet", () => window.print()));
}
// A page about work that goes on looks again, unless somebody is about to press something on it.
for (const place of document.querySelectorAll("[data-again]")) {
  const look = () => {
    const isIdle = !document.hidden && [null, document.body].includes(document.activeElement);
    if (isIdle) location.replace(place.dataset.again);
    else setTimeout(look, 1000);
  };
  setTimeout(look, 1000 * Number(place.dataset.after));
}
for (const place of document.querySelectorAll("[data-both]")) {
  const videos = [...place.querySelectorAll("video")];
  if (videos.length < 2) continue;
  const both = button("Play both", "quiet", () => {
    const isPlaying = videos.some((video) => !video.paused);
    videos[0].muted = true;
    videos[1].currentTime = videos[0].currentTime;
    for (const video of videos) isPlaying ? video.pause() : video.play().catch(() => undefined);
  });
  place.nextElementSibling.append(both);
}

// A live picture: the next one is asked for when this one is there, or a second after there was none.
for (const place of document.querySelectorAll("[data-live]")) {
  const image = place.querySelector("img");
  const next = () => {
    if (!document.hidden) image.src = `${place.dataset.live}&at=${Date.now()}`;
  };
  image.addEventListener("load", () => setTimeout(next, 80));
  image.addEventListener("error", () => setTimeout(next, 1000));
  document.addEventListener("visibilitychange", next);
  setTimeout(next, 500);
}
for (const place of document.querySelectorAll("[data-now]")) {
  new EventSource(place.dataset.now).addEventListener("message", (event) => {
    for (const [name, text] of Object.entries(JSON.parse(event.data))) {
      const shown = place.querySelector(`[data-fact="${name}"]`);
      if (shown && shown.textContent !== text) shown.textContent = text;
    }
  });
}
