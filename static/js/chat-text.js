/*
 * Text of a running answer as plain blocks. What is drawn stays: text goes into the last text node only, and every paragraph and
 * code block is a block of its own, so that a browser lays out nothing but the block that grows.
 */
const BLOCK_CHARS = 4_000;
const HEADING = /^ {0,3}(#{1,6})[ \t]+/;
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;

export class TextFlow {
  constructor(home) {
    this.home = home;
    this.fence = "";
    this.line = "";
    this.start("p", "stream-block");
  }

  start(tag, className) {
    this.block = document.createElement(tag);
    this.block.className = className;
    this.node = document.createTextNode("");
    this.block.append(this.node);
    this.home.append(this.block);
  }

  startCode(label) {
    const frame = document.createElement("div");
    frame.className = "code-block stream-code";
    const head = document.createElement("div");
    head.className = "code-head";
    head.textContent = label || "Text";
    this.block = document.createElement("pre");
    this.node = document.createTextNode("");
    this.block.append(this.node);
    frame.append(head, this.block);
    this.home.append(frame);
  }

  /** Returns how many lines began. */
  append(text) {
    const pieces = text.split("\n");
    pieces.forEach((piece, index) => {
      if (piece) {
        this.node.appendData(piece);
        this.line += piece;
        this.markHeading();
      }
      if (index < pieces.length - 1) {
        this.endLine();
      }
    });
    return pieces.length - 1;
  }

  endLine() {
    const line = this.line;
    this.line = "";
    const fence = FENCE.exec(line);
    if (this.fence) {
      if (fence && fence[1].startsWith(this.fence) && !fence[2].trim()) {
        this.takeBack(line);
        this.fence = "";
        this.start("p", "stream-block");
      } else {
        this.node.appendData("\n");
      }
      return;
    }
    if (fence) {
      this.takeBack(line);
      this.fence = fence[1];
      this.startCode(fence[2].trim().split(/\s/)[0].slice(0, 40));
      return;
    }
    if (this.block.dataset.level) {
      this.start("p", "stream-block");
      return;
    }
    const blank = !line.trim();
    if ((blank && this.node.length) || this.node.length > BLOCK_CHARS) {
      this.start("p", "stream-block");
    } else if (!blank) {
      this.node.appendData("\n");
    }
  }

  /** The marks before a heading go when they are whole, that is before the first of its words stands. */
  markHeading() {
    const found = !this.fence && !this.block.dataset.level && HEADING.exec(this.line);
    if (!found || this.line.length === found[0].length) {
      return;
    }
    const before = this.node.length - this.line.length;
    if (before > 0) {
      const words = this.node.data.slice(before);
      this.node.deleteData(before - 1, words.length + 1);
      this.start("p", "stream-block");
      this.node.appendData(words);
    }
    this.node.deleteData(0, found[0].length);
    this.block.dataset.level = found[1].length;
  }

  /** A fence is a mark, not text: its line goes as soon as it is whole. */
  takeBack(line) {
    const keep = Math.max(0, this.node.length - line.length);
    this.node.deleteData(keep, line.length);
    if (this.node.length && this.node.data.endsWith("\n")) {
      this.node.deleteData(this.node.length - 1, 1);
    }
    if (!this.node.length && this.block.classList.contains("stream-block")) {
      this.block.remove();
    }
  }
}
