// Runs valgrind's dh_view.js on a file, in node, with as much of a page as it asks for, and prints the page's text.
//
//   node dh_view.js /usr/libexec/valgrind/dh_view.js FILE
const fs = require("fs"), vm = require("vm");
class Element {
  constructor() { this.childNodes = []; this.classList = new Set(); this.selectedIndex = 0; this.text = ""; }
  appendChild(child) { this.childNodes.push(child); child.parentNode = this; return child; }
  removeChild(child) { this.childNodes = this.childNodes.filter((one) => one !== child); }
  get firstChild() { return this.childNodes[0] || null; }
  get lastChild() { return this.childNodes[this.childNodes.length - 1] || null; }
  set textContent(text) { this.childNodes = []; this.text = text; }
  get textContent() { return this.text + this.childNodes.map((child) => child.textContent).join(""); }
  cloneNode() { return new Element(); }
  replaceChild(fresh, old) { this.childNodes[this.childNodes.indexOf(old)] = fresh; fresh.parentNode = this; }
  setAttribute() {}
}
const document = {
  body: new Element(),
  location: { search: "" },
  createElement: () => new Element(),
  createTextNode: (text) => Object.assign(new Element(), { text }),
};
const page = vm.createContext({ document, performance, URLSearchParams, console });
vm.runInContext(fs.readFileSync(process.argv[2], "utf8"), page);
page.text = fs.readFileSync(process.argv[3], "utf8");
// What the page does when a file was chosen.
vm.runInContext(`onLoad(); gFilename = "x"; gData = JSON.parse(text); buildTree(); displayTree(0, 0, 0);`, page);
console.log(document.body.textContent);
