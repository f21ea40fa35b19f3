// A click on a figure opens its picture at full size over the page.
(() => {
  const viewer = document.querySelector("dialog.viewer");
  for (const button of document.querySelectorAll("figure .enlarge")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const image = button.querySelector("img").cloneNode();
      image.removeAttribute("style");
      viewer.querySelector("h2").textContent = image.alt;
      viewer.querySelector(".sheet").replaceChildren(image);
      viewer.showModal();
    });
  }
  viewer.querySelector("button").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
})();
