// Files, on the few functions of WASI preview 1 that they take. Paths are relative to one of the two preopened directories.

import { fail } from "./host";

@external("wasi_snapshot_preview1", "path_open")
declare function path_open(
  directory: i32, lookup: i32, path: usize, size: usize, how: i32, rights: i64, inherited: i64, flags: i32, result: usize
): i32;

@external("wasi_snapshot_preview1", "path_create_directory")
declare function path_create_directory(directory: i32, path: usize, size: usize): i32;

@external("wasi_snapshot_preview1", "path_unlink_file")
declare function path_unlink_file(directory: i32, path: usize, size: usize): i32;

@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: i32, vectors: usize, count: i32, result: usize): i32;

@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: i32, result: usize): i32;

@external("wasi_snapshot_preview1", "fd_close")
declare function fd_close(fd: i32): i32;

// The descriptors that are open from the beginning.
export const WORK: i32 = 3;
export const TMP: i32 = 4;

// Errors of WASI.
const EXIST: i32 = 20;
export const NOENT: i32 = 44;

// How to open a file.
const CREATE: i32 = 1;
const DIRECTORY: i32 = 2;
const TRUNCATE: i32 = 8;

const RIGHT_READ: i64 = 2;
const RIGHT_WRITE: i64 = 64;

// One vector of bytes, and the number or descriptor that a function gives back.
const vector = memory.data(8, 4);
const result = memory.data(4, 4);

function setVector(ptr: usize, size: i32): void {
  store<u32>(vector, <u32>ptr);
  store<u32>(vector, <u32>size, 4);
}

// open returns a descriptor, or an error of WASI, negated.
function open(directory: i32, path: string, how: i32, rights: i64): i32 {
  const name = String.UTF8.encode(path);
  const errno = path_open(directory, 0, changetype<usize>(name), name.byteLength, how, rights, 0, 0, result);
  return errno == 0 ? load<i32>(result) : -errno;
}

// A file that was read: errno is 0 if there is content, which may have one byte more than was asked for.
export class Content {
  constructor(public errno: i32, public bytes: Uint8Array) {}
}

// readFile reads a file up to one byte beyond most, which shows that it is larger.
export function readFile(directory: i32, path: string, most: i32): Content {
  const bytes = new Uint8Array(most + 1);
  const fd = open(directory, path, 0, RIGHT_READ);
  if (fd < 0) return new Content(-fd, bytes);
  let size = 0;
  let errno = 0;
  while (size <= most) {
    setVector(bytes.dataStart + size, most + 1 - size);
    errno = fd_read(fd, vector, 1, result);
    const n = load<i32>(result);
    if (errno != 0 || n == 0) break;
    size += n;
  }
  fd_close(fd);
  return new Content(errno, bytes.subarray(0, size));
}

// writeAll writes all of the bytes, and returns an error of WASI, or 0.
function writeAll(fd: i32, bytes: Uint8Array): i32 {
  let at = 0;
  while (at < bytes.length) {
    setVector(bytes.dataStart + at, bytes.length - at);
    const errno = fd_write(fd, vector, 1, result);
    if (errno != 0) return errno;
    at += load<i32>(result);
  }
  return 0;
}

// complain writes a line to standard error, which is the host's log.
export function complain(text: string): void {
  const stderr = 2;
  writeAll(stderr, Uint8Array.wrap(String.UTF8.encode(text + "\n")));
}

// writeFile writes a file, in place of what it held if it is there already. The error does not name it.
export function writeFile(directory: i32, path: string, bytes: Uint8Array): bool {
  const fd = open(directory, path, CREATE | TRUNCATE, RIGHT_WRITE);
  let errno = -fd;
  if (fd >= 0) {
    errno = writeAll(fd, bytes);
    const closed = fd_close(fd);
    if (errno == 0) errno = closed;
  }
  return errno == 0 || fail("it can't be written: error " + errno.toString() + " of WASI");
}

export function removeFile(directory: i32, path: string): bool {
  const name = String.UTF8.encode(path);
  const errno = path_unlink_file(directory, changetype<usize>(name), name.byteLength);
  return errno == 0 || errno == NOENT || fail(path + ": it can't be removed: error " + errno.toString() + " of WASI");
}

// makeDirectory makes a directory if it is not there already.
export function makeDirectory(directory: i32, path: string): bool {
  const name = String.UTF8.encode(path);
  const errno = path_create_directory(directory, changetype<usize>(name), name.byteLength);
  if (errno == 0) return true;
  if (errno != EXIST) return fail("a directory can't be made: error " + errno.toString() + " of WASI");
  const fd = open(directory, path, DIRECTORY, 0);
  if (fd < 0) return fail("a file has the name of a directory");
  fd_close(fd);
  return true;
}
