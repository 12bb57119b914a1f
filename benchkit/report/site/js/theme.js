(() => {
  // Runs before the first paint, so that the page does not flash in the wrong theme.
  try {
    const theme = localStorage.getItem("benchkit-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage is blocked: use the system's theme */ }
})();
