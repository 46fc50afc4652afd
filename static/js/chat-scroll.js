/* Following the end of the conversation, until the reader looks elsewhere; and the pill that takes up following again. */
const NEAR_END = 32;
const LINE = 22;
const UP_KEYS = new Set(["PageUp", "ArrowUp", "Home"]);

export class Follower {
  constructor(box, pill) {
    this.box = box;
    this.pill = pill;
    this.count = pill.querySelector(".jump-count");
    this.following = true;
    this.leftAt = 0;
    box.addEventListener("wheel", (event) => event.deltaY < 0 && this.yield(), { passive: true });
    box.addEventListener("touchmove", () => this.yield(), { passive: true });
    box.addEventListener("keydown", (event) => UP_KEYS.has(event.key) && this.yield());
    box.addEventListener("scroll", () => this.noticed(), { passive: true });
    document.addEventListener("selectionchange", () => {
      const selection = document.getSelection();
      if (selection && !selection.isCollapsed && box.contains(selection.anchorNode)) {
        this.yield();
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "End" && !event.target.closest("input, textarea, select, dialog")) {
        this.resume();
      }
    });
    pill.addEventListener("click", () => this.resume());
    new ResizeObserver(() => this.following && this.toEnd()).observe(box);
  }

  get distance() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
  }

  yield() {
    if (this.following && this.box.scrollHeight > this.box.clientHeight) {
      this.following = false;
      this.leftAt = this.box.scrollHeight;
    }
  }

  noticed() {
    if (this.distance <= NEAR_END && !document.getSelection()?.toString()) {
      this.following = true;
    } else if (this.distance > 4 * NEAR_END && this.following && !this.moving) {
      // a dragged scroll bar gives no wheel and no key
      this.yield();
    }
    this.show();
  }

  /** Call after something was drawn. */
  drawn() {
    if (this.following) {
      this.toEnd();
    }
    this.show();
  }

  toEnd() {
    this.moving = true;
    this.box.scrollTop = this.box.scrollHeight;
    window.requestAnimationFrame(() => {
      this.moving = false;
    });
  }

  resume() {
    this.following = true;
    this.toEnd();
    this.show();
  }

  show() {
    const away = !this.following && this.distance > NEAR_END;
    this.pill.hidden = !away;
    if (away) {
      const lines = Math.max(0, Math.round((this.box.scrollHeight - this.leftAt) / LINE));
      this.count.textContent = lines ? `${lines} new line${lines === 1 ? "" : "s"}` : "";
    }
  }
}
