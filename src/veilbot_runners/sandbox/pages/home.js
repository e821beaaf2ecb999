// The copy buttons beside the credentials.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      said = "Not allowed here";
    }
    button.textContent = said;
    document.getElementById("said").textContent = said;
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
}
