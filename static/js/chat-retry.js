/* The time until a request that was refused for a limit can be sent again: counted down beside its "Retry now". */
const EVERY_MS = 1000;

function draw(place) {
  const left = Math.ceil((Date.parse(place.dataset.countdown) - Date.now()) / 1000);
  if (left > 0) {
    const hours = Math.floor(left / 3600);
    const minutes = String(Math.floor((left % 3600) / 60)).padStart(hours ? 2 : 1, "0");
    place.textContent = `Possible in ${hours ? `${hours}:` : ""}${minutes}:${String(left % 60).padStart(2, "0")}`;
  } else {
    place.textContent = place.dataset.over;
    place.closest(".error-actions").querySelector("[data-retry]").classList.add("btn-primary");
    delete place.dataset.countdown;
  }
}

export function countdowns() {
  const all = () => document.querySelectorAll("[data-countdown]").forEach(draw);
  all();
  window.setInterval(all, EVERY_MS);
}
