// Two comforts. The site does all of its work without this file.
(() => {
  "use strict";

  // The button comes out of hiding only where it can work: browsers keep the clipboard from
  // pages that came over plain http from another machine.
  if (navigator.clipboard) {
    for (const button of document.querySelectorAll("[data-copy]")) {
      const snippet = button.closest("[data-snippet]");
      const status = snippet.querySelector("[role=status]");
      let timer;
      const say = (words) => {
        status.textContent = words;
        clearTimeout(timer);
        timer = setTimeout(() => { status.textContent = ""; }, 4000);
      };
      button.hidden = false;
      button.addEventListener("click", () => {
        navigator.clipboard
          .writeText(snippet.querySelector("code").textContent)
          .then(() => say("Copied"), () => say("Could not copy"));
      });
    }
  }

  // The initials lie beneath the picture: without it they show.
  for (const picture of document.querySelectorAll("[data-picture]")) {
    const remove = () => picture.remove();
    if (picture.complete && picture.naturalWidth === 0) remove();
    else picture.addEventListener("error", remove);
  }
})();
