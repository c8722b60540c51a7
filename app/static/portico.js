// Comforts. The site does all of its work without this file.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);

  // Back brings a page as it was, perhaps from before a login: ask again, and show nothing
  // outdated meanwhile.
  addEventListener("pageshow", (event) => {
    const [way] = performance.getEntriesByType("navigation");
    const restored = way?.type === "back_forward" && way.transferSize === 0;
    if (!event.persisted && !restored) return;
    document.body.hidden = true;
    location.reload();
  });

  // Timestamps in the visitor's language and time zone.
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
  for (const time of all("time[datetime]")) {
    const timestamp = new Date(time.dateTime);
    if (isNaN(timestamp)) continue;
    time.title = time.textContent;
    time.textContent = format.format(timestamp);
  }

  // The colours change immediately; the cookie informs the server for the next page.
  for (const form of all("[data-theme-switch]")) {
    form.addEventListener("submit", (event) => {
      const theme = event.submitter?.value;
      if (!theme) return;
      event.preventDefault();
      const auto = theme === "auto";
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `portico_theme=${theme}; Path=/; SameSite=Lax; Max-Age=${auto ? 0 : 31536000}${secure}`;
      if (auto) delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme;
      for (const button of form.elements) button.ariaPressed = String(button.value === theme);
    });
  }

  // Escape closes the menu, and so does a press beside it.
  for (const menu of all("details.mobile")) {
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.addEventListener("click", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  }

  // The button comes out of hiding only where it can work: browsers keep the clipboard from
  // pages that came over plain http from another machine.
  if (navigator.clipboard) {
    for (const button of all("[data-copy]")) {
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
  for (const picture of all("[data-picture]")) {
    const remove = () => picture.remove();
    if (picture.complete && picture.naturalWidth === 0) remove();
    else picture.addEventListener("error", remove);
  }
})();
