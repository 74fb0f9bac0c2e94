import { complain } from "./wasi";

// The compiler calls this where the program can't go on: an index out of range, no memory, a message that does not decode.
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const where = (file === null ? "?" : file) + ":" + line.toString() + ":" + column.toString();
  complain("abort: " + (message === null ? "" : message) + " at " + where);
  unreachable();
}
