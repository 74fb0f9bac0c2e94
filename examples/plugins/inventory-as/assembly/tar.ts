// A reader of tar archives: POSIX (with pax headers) and GNU (with long names).

import { fail } from "./host";

const BLOCK: i32 = 512;
const MAX_NAME: i32 = 4096; // Linux takes no longer path.

// Types of entries.
export const REGULAR: u8 = 0x30; // 0
export const DIRECTORY: u8 = 0x35; // 5
const CONTIGUOUS: u8 = 0x37; // 7
const PAX: u8 = 0x78; // x
const PAX_GLOBAL: u8 = 0x67; // g
const LONG_NAME: u8 = 0x4c; // L
const LONG_LINK: u8 = 0x4b; // K
const SPARSE: u8 = 0x53; // S

export class Entry {
  name: string = "";
  type: u8 = 0;
  data: Uint8Array = new Uint8Array(0);
}

// What the special entries before an entry say of it.
class Extra {
  any: bool = false;
  name: string | null = null;
  size: i64 = -1;
}

export class Tar {
  at: i32 = 0;
  // Whether next has returned null for an error, and not for the end.
  failed: bool = false;

  constructor(public bytes: Uint8Array) {}

  // next reads the next entry. An archive may end after any entry, with or without closing blocks, but not inside one.
  next(): Entry | null {
    const extra = new Extra();
    while (true) {
      if (this.ended()) {
        if (extra.any) this.cut();
        return null;
      }
      const entry = this.take(extra);
      if (entry === null) return null;
      switch (entry.type) {
        case PAX_GLOBAL:
        case LONG_LINK:
          break;
        case PAX:
          extra.any = true;
          if (!addRecords(extra, entry.data)) return this.fails();
          break;
        case LONG_NAME:
          extra.any = true;
          extra.name = this.text(entry.data);
          if (extra.name!.length > MAX_NAME) return this.refuse("a name has more than " + MAX_NAME.toString() + " bytes");
          break;
        default:
          return this.finish(entry, extra);
      }
    }
  }

  private ended(): bool {
    if (this.at == this.bytes.length) return true;
    if (this.bytes.length - this.at < BLOCK) return false;
    for (let i = 0; i < BLOCK; i++) {
      if (this.bytes[this.at + i] != 0) return false;
    }
    return true;
  }

  private fails(): Entry | null {
    this.failed = true;
    return null;
  }

  private refuse(reason: string): Entry | null {
    fail(reason);
    return this.fails();
  }

  private cut(): Entry | null {
    return this.refuse("the archive is cut: it ends at byte " + this.bytes.length.toString());
  }

  // take reads one header and what belongs to it.
  private take(extra: Extra): Entry | null {
    if (this.bytes.length - this.at < BLOCK) return this.cut();
    const header = this.bytes.subarray(this.at, this.at + BLOCK);
    if (octal(header.subarray(148, 156)) != checksum(header)) return this.refuse("not an uncompressed tar archive");
    const entry = new Entry();
    entry.type = header[156];
    entry.name = this.headerName(header);
    let size = octal(header.subarray(124, 136));
    if (size < 0) return this.refuse("the size of an entry is no number");
    const special = entry.type == PAX || entry.type == PAX_GLOBAL || entry.type == LONG_NAME || entry.type == LONG_LINK;
    if (!special && extra.size >= 0) size = extra.size;
    if (entry.type > REGULAR && entry.type < CONTIGUOUS) size = 0; // links, devices, directories, pipes
    this.at += BLOCK;
    return this.takeData(entry, size);
  }

  private takeData(entry: Entry, size: i64): Entry | null {
    const left = <i64>(this.bytes.length - this.at);
    const padded = (size + BLOCK - 1) & ~(<i64>(BLOCK - 1));
    // The very last entry needs no padding.
    if (size > left || (size < left && padded > left)) return this.cut();
    entry.data = this.bytes.subarray(this.at, this.at + <i32>size);
    this.at += <i32>min(padded, left);
    return entry;
  }

  // headerName is the name that the header itself has; POSIX gives it a prefix.
  private headerName(header: Uint8Array): string {
    const name = this.text(header.subarray(0, 100));
    const posix = this.text(header.subarray(257, 263)) == "ustar" && header[262] == 0;
    const prefix = posix ? this.text(header.subarray(345, 500)) : "";
    return prefix == "" ? name : prefix + "/" + name;
  }

  // text is what is in a field before its zero.
  private text(field: Uint8Array): string {
    const end = field.indexOf(0);
    return String.UTF8.decodeUnsafe(field.dataStart, end < 0 ? field.length : end);
  }

  private finish(entry: Entry, extra: Extra): Entry | null {
    if (entry.type == SPARSE) return this.refuse("it has sparse files, which are not supported");
    const name = extra.name;
    if (name !== null) entry.name = name;
    if (entry.type == 0) entry.type = entry.name.endsWith("/") ? DIRECTORY : REGULAR;
    if (entry.type == CONTIGUOUS) entry.type = REGULAR;
    return entry;
  }
}

// octal reads digits up to a space or zero; -1 is no number.
function octal(field: Uint8Array): i64 {
  let i = 0;
  while (i < field.length && field[i] == 0x20) i++;
  let value: i64 = 0;
  for (; i < field.length && field[i] != 0 && field[i] != 0x20; i++) {
    if (field[i] < 0x30 || field[i] > 0x37) return -1;
    value = (value << 3) | <i64>(field[i] - 0x30);
  }
  return value;
}

// checksum is the sum of all bytes, those of the checksum itself taken for spaces.
function checksum(header: Uint8Array): i64 {
  let sum: i64 = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : <i64>header[i];
  return sum;
}

// addRecords reads the records of a pax header: "LENGTH KEY=VALUE\n", where the length is that of the whole record.
function addRecords(extra: Extra, bytes: Uint8Array): bool {
  while (bytes.length > 0) {
    const space = bytes.indexOf(0x20);
    const length = space < 0 ? -1 : decimal(bytes.subarray(0, space));
    if (length <= space + 1 || length > bytes.length || bytes[<i32>length - 1] != 0x0a) return fail("a pax header is malformed");
    const record = bytes.subarray(space + 1, <i32>length - 1);
    const equals = record.indexOf(0x3d);
    if (equals < 0) return fail("a pax header is malformed");
    const key = String.UTF8.decodeUnsafe(record.dataStart, equals);
    if (!addRecord(extra, key, record.subarray(equals + 1))) return false;
    bytes = bytes.subarray(<i32>length);
  }
  return true;
}

function addRecord(extra: Extra, key: string, value: Uint8Array): bool {
  if (key.startsWith("GNU.sparse.")) return fail("it has sparse files, which are not supported");
  if (key == "path") {
    if (value.length > MAX_NAME) return fail("a name has more than " + MAX_NAME.toString() + " bytes");
    if (value.includes(0)) return fail("a name has a zero byte");
    extra.name = value.length > 0 ? String.UTF8.decodeUnsafe(value.dataStart, value.length) : null;
  }
  if (key == "size") {
    extra.size = decimal(value);
    if (extra.size < 0) return fail("a pax header has a size that is no number");
  }
  return true;
}

// decimal reads a number that is not longer than any real one; -1 is none.
function decimal(digits: Uint8Array): i64 {
  if (digits.length == 0 || digits.length > 15) return -1;
  let value: i64 = 0;
  for (let i = 0; i < digits.length; i++) {
    if (digits[i] < 0x30 || digits[i] > 0x39) return -1;
    value = value * 10 + <i64>(digits[i] - 0x30);
  }
  return value;
}
