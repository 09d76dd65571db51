// Small comforts; every page works without them.
const root = document.documentElement;
const button = document.getElementById("theme");
const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
const label = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to the ${dark() ? "light" : "dark"} scheme`); };
button.hidden = false;
label();
button.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  try { localStorage.setItem("cineloop-theme", root.dataset.theme); } catch { /* it holds for this page */ }
  label();
});

// a shelf that has the focus moves by a poster at a time
for (const shelf of document.querySelectorAll(".shelf")) {
  shelf.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target !== shelf) return;
    event.preventDefault();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    shelf.scrollBy({ left: step * (shelf.firstElementChild.offsetWidth + 16), behavior: calm ? "auto" : "smooth" });
  });
}

// ids can be copied
if (navigator.clipboard) {
  for (const code of document.querySelectorAll("[data-copy]")) {
    const copy = document.createElement("button");
    copy.type = "button"; copy.className = "copy"; copy.textContent = "Copy";
    copy.setAttribute("aria-label", `Copy ${code.textContent}`);
    copy.addEventListener("click", async () => { await navigator.clipboard.writeText(code.textContent); copy.textContent = "Copied"; });
    (code.closest("a") ?? code).after(" ", copy);
  }
}

// on the search page, results follow the typing
const found = document.getElementById("found"), box = document.getElementById("find");
if (found) {
  let waiting, asked = 0;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++asked, url = `/console/search?q=${encodeURIComponent(box.value)}`;
      const answer = await fetch(url);
      if (answer.status === 401) return location.reload();  // the session is over: the server asks to sign in
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== asked) return;
      found.replaceChildren(...page.getElementById("found").childNodes);
      document.querySelector("h1").textContent = page.querySelector("h1").textContent;
      history.replaceState(null, "", url);
    }, 180);
  });
}
