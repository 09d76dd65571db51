// Before the first paint: the scheme the reader chose, kept in this browser alone.
try {
  const chosen = localStorage.getItem("cineloop-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* storage is switched off: the system's scheme holds */ }
