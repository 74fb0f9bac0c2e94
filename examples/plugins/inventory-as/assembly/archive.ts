// The template's archive.

import { LogLevel } from "./generated/provisioner/LogLevel";
import { canceled, fail, failure, log } from "./host";
import { DIRECTORY, Entry, REGULAR, Tar } from "./tar";
import { makeDirectory, WORK, writeFile } from "./wasi";

const MAX_ENTRIES: i32 = 20000;
const MAX_QUOTED: i32 = 200;

// extractArchive extracts an uncompressed tar archive to the work directory: regular files and directories; the rest is left
// out with a warning. It checks all of it before it writes anything.
export function extractArchive(archive: Uint8Array): bool {
  return (walk(archive, false) && walk(archive, true)) || fail("extract template archive: " + failure);
}

// walk checks every entry, and extracts it if it is told to.
function walk(archive: Uint8Array, write: bool): bool {
  const tar = new Tar(archive);
  let n = 0;
  while (true) {
    if (canceled()) return fail("canceled");
    const entry = tar.next();
    if (entry === null) return !tar.failed;
    if (++n > MAX_ENTRIES) return fail("there are more than " + MAX_ENTRIES.toString() + " entries");
    const path = localPath(entry.name);
    if (path === null) return fail("refusing to extract to non-local path " + quoted(entry.name));
    if (write && !extract(entry, path)) return fail(quoted(entry.name) + ": " + failure);
  }
}

// localPath returns the path of what the name stands for, relative to the work directory; null for what is not in there.
function localPath(name: string): string | null {
  if (name == "" || name.startsWith("/")) return null;
  const parts: Array<string> = [];
  const all = name.split("/");
  for (let i = 0; i < all.length; i++) {
    if (all[i] == "" || all[i] == ".") continue;
    if (all[i] != "..") {
      parts.push(all[i]);
      continue;
    }
    if (parts.length == 0) return null;
    parts.pop();
  }
  return parts.length == 0 ? "." : parts.join("/");
}

function extract(entry: Entry, path: string): bool {
  if (entry.type == REGULAR) return makeParents(path) && writeFile(WORK, path, entry.data);
  if (entry.type == DIRECTORY) return makeParents(path) && (path == "." || makeDirectory(WORK, path));
  log(LogLevel.WARN, "The template archive's entry " + quoted(entry.name) + " is left out: only files and directories are extracted");
  return true;
}

function makeParents(path: string): bool {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    if (!makeDirectory(WORK, path.substring(0, slash))) return false;
  }
  return true;
}

// quoted is a name for a message: of any characters, of which not all can be shown.
function quoted(name: string): string {
  const texts: Array<string> = ['"'];
  for (let i = 0; i < min(name.length, MAX_QUOTED); i++) {
    const c = name.charCodeAt(i);
    texts.push(c >= 0x20 && c <= 0x7e ? String.fromCharCode(c) : "?");
  }
  texts.push('"');
  return texts.join("");
}
