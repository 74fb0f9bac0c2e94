// The host's functions that this plugin needs (see abi/abi.md), and the note of what went wrong.

import { LogLevel } from "./generated/provisioner/LogLevel";

@external("provisor_v1", "log")
declare function hostLog(level: i32, ptr: usize, size: i32): i32;

@external("provisor_v1", "respond")
declare function hostRespond(ptr: usize, size: i32): i32;

@external("provisor_v1", "canceled")
declare function hostCanceled(): i32;

export function log(level: LogLevel, text: string): void {
  const bytes = String.UTF8.encode(text);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

// respond hands over a Response. A negative result is an errno, negated.
export function respond(response: Uint8Array): i32 {
  return hostRespond(response.dataStart, response.byteLength);
}

export function canceled(): bool {
  return hostCanceled() != 0;
}

// AssemblyScript has no exceptions: what fails returns false or null, after it has noted why.
export let failure: string = "";

export function fail(text: string): bool {
  failure = text;
  return false;
}
