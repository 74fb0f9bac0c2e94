// What a template lists, and what there is: the same format for both.

import { fail } from "./host";
import { Content, NOENT, readFile, TMP, WORK, writeFile } from "./wasi";

const INVENTORY = "inventory.txt";
const MAX_FILE: i32 = 1 << 20;
const MAX_RESOURCES: i32 = 1000;
const MAX_WORD: i32 = 64;
const MAX_COST: i32 = 1000000;

// What is kept for later requests is in the scratch directory, where no template puts anything: memory need not last.
export const PLANNED_FILE = "planned";
export const STATE_FILE = "state";

export class Item {
  cost: i32 = 0;
  constructor(public type: string, public name: string, public line: i32) {}

  get address(): string {
    return this.type + "." + this.name;
  }
}

export class Inventory {
  items: Array<Item> = [];
  private places: Map<string, Item> = new Map();

  find(address: string): Item | null {
    return this.places.has(address) ? this.places.get(address) : null;
  }

  add(item: Item): void {
    this.items.push(item);
    this.places.set(item.address, item);
  }

  // An empty inventory is no empty text, which would be no state at all.
  format(): Uint8Array {
    const lines: Array<string> = ["# what there is: TYPE NAME DAILY_COST\n"];
    for (let i = 0; i < this.items.length; i++) {
      const item = this.items[i];
      lines.push(item.type + " " + item.name + " " + item.cost.toString() + "\n");
    }
    return Uint8Array.wrap(String.UTF8.encode(lines.join("")));
  }
}

// parseInventory reads an inventory. Errors name the file and the line.
export function parseInventory(file: string, bytes: Uint8Array): Inventory | null {
  const inventory = new Inventory();
  let number = 0;
  for (let at = 0; at < bytes.length; ) {
    let end = bytes.indexOf(0x0a, at);
    if (end < 0) end = bytes.length;
    const words = split(bytes.subarray(at, end));
    at = end + 1;
    number++;
    if (words.length > 0 && !addItem(inventory, file, number, words)) return null;
  }
  return inventory;
}

// split returns the words before the comment.
function split(line: Uint8Array): Array<Uint8Array> {
  const words: Array<Uint8Array> = [];
  let start = -1;
  for (let i = 0; i <= line.length; i++) {
    const c: u8 = i < line.length ? line[i] : 0x23;
    const outside = c == 0x20 || c == 0x09 || c == 0x0d || c == 0x23;
    if (!outside && start < 0) start = i;
    if (outside && start >= 0) {
      words.push(line.subarray(start, i));
      start = -1;
    }
    if (c == 0x23) break;
  }
  return words;
}

function addItem(inventory: Inventory, file: string, number: i32, words: Array<Uint8Array>): bool {
  const place = file + ":" + number.toString() + ": ";
  if (words.length < 2 || words.length > 3) return fail(place + "want TYPE NAME [DAILY_COST]");
  const rule = ' must be a letter, then letters, digits, "-" and "_", 64 at most';
  if (!isName(words[0])) return fail(place + "TYPE" + rule);
  if (!isName(words[1])) return fail(place + "NAME" + rule);
  const item = new Item(ascii(words[0]), ascii(words[1]), number);
  if (words.length == 3) item.cost = parseCost(words[2]);
  if (item.cost < 0) return fail(place + "DAILY_COST must be a whole number from 0 to " + MAX_COST.toString());
  const first = inventory.find(item.address);
  if (first !== null) return fail(place + item.address + " stands in line " + first.line.toString() + " already");
  if (inventory.items.length == MAX_RESOURCES) return fail(place + "more than " + MAX_RESOURCES.toString() + " resources");
  inventory.add(item);
  return true;
}

function isDigit(c: u8): bool {
  return c >= 0x30 && c <= 0x39;
}

function isLetter(c: u8): bool {
  return (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
}

function isName(word: Uint8Array): bool {
  if (word.length > MAX_WORD || !isLetter(word[0])) return false;
  for (let i = 0; i < word.length; i++) {
    const c = word[i];
    if (!isLetter(c) && !isDigit(c) && c != 0x2d && c != 0x5f) return false;
  }
  return true;
}

// parseCost returns -1 for what is no cost.
function parseCost(word: Uint8Array): i32 {
  if (word.length > 7) return -1;
  let cost = 0;
  for (let i = 0; i < word.length; i++) {
    if (!isDigit(word[i])) return -1;
    cost = cost * 10 + <i32>(word[i] - 0x30);
  }
  return cost <= MAX_COST ? cost : -1;
}

function ascii(word: Uint8Array): string {
  return String.UTF8.decodeUnsafe(word.dataStart, word.length);
}

// checked notes what is wrong with a file that was read.
function checked(name: string, content: Content): bool {
  if (content.errno != 0) return fail(name + ": it can't be read");
  return content.bytes.length <= MAX_FILE || fail(name + ": more than " + MAX_FILE.toString() + " bytes");
}

export function readInventory(): Inventory | null {
  const content = readFile(WORK, INVENTORY, MAX_FILE);
  if (content.errno == NOENT) {
    fail(INVENTORY + ": the template has no such file");
    return null;
  }
  return checked(INVENTORY, content) ? parseInventory(INVENTORY, content.bytes) : null;
}

// readReadme reads the template's README.md: without one there is nothing in it.
export function readReadme(): Uint8Array | null {
  const name = "README.md";
  const content = readFile(WORK, name, MAX_FILE);
  if (content.errno == NOENT) return new Uint8Array(0);
  return checked(name, content) ? content.bytes : null;
}

// keep writes an inventory to a file for the requests that follow; kept reads it. Without a file it is empty.
export function keep(file: string, inventory: Inventory): bool {
  return writeFile(TMP, file, inventory.format());
}

export function kept(file: string): Inventory | null {
  const content = readFile(TMP, file, MAX_FILE);
  if (content.errno == NOENT) return new Inventory();
  return checked(file, content) ? parseInventory(file, content.bytes) : null;
}
