// Generated from the constants in abi/; do not edit. The specification is abi.md.
#ifndef PROVISOR_H
#define PROVISOR_H

#include <stdint.h>

#define PROVISOR_ABI_MAJOR 1
#define PROVISOR_ABI_MINOR 0
#define PROVISOR_ABI_VERSION 65536

#define PROVISOR_MANIFEST_SECTION "provisor.manifest"
#define PROVISOR_WORK_DIR "/work"
#define PROVISOR_TMP_DIR "/tmp"

// Why a host function failed; it returns the number negated.
#define PROVISOR_INVALID 1 // invalid argument
#define PROVISOR_DENIED 2 // denied
#define PROVISOR_LIMIT 3 // limit exceeded
#define PROVISOR_CANCELED 4 // canceled
#define PROVISOR_IO 5 // input/output error
#define PROVISOR_NOT_FOUND 6 // not found
#define PROVISOR_WRONG_STATE 7 // wrong state
#define PROVISOR_TOO_SMALL 8 // buffer too small

// The levels of provisor_log.
enum { PROVISOR_TRACE, PROVISOR_DEBUG, PROVISOR_INFO, PROVISOR_WARN, PROVISOR_ERROR };

// The upper half of what provisor_exec_read returns; the lower half is a number of bytes.
enum { PROVISOR_ENDED = 0, PROVISOR_STDOUT = 1, PROVISOR_STDERR = 2, PROVISOR_TIMED_OUT = 3 };

// The signals of provisor_exec_signal.
enum { PROVISOR_INTERRUPT = 2, PROVISOR_KILL = 9 };

#define PROVISOR_EXPORT(name) __attribute__((export_name(name)))
#define PROVISOR_IMPORT(name) __attribute__((import_module("provisor_v1"), import_name(name)))

// What the host provides. Pointers are offsets into the plugin's memory, as wasm32 has them.
PROVISOR_IMPORT("session_info") int32_t provisor_session_info(int32_t, int32_t);
PROVISOR_IMPORT("log") int32_t provisor_log(int32_t, int32_t, int32_t);
PROVISOR_IMPORT("respond") int32_t provisor_respond(int32_t, int32_t);
PROVISOR_IMPORT("canceled") int32_t provisor_canceled(void);
PROVISOR_IMPORT("exec_start") int32_t provisor_exec_start(int32_t, int32_t);
PROVISOR_IMPORT("exec_read") int64_t provisor_exec_read(int32_t, int32_t, int32_t, int32_t);
PROVISOR_IMPORT("exec_write") int32_t provisor_exec_write(int32_t, int32_t, int32_t);
PROVISOR_IMPORT("exec_wait") int32_t provisor_exec_wait(int32_t, int32_t, int32_t);
PROVISOR_IMPORT("exec_signal") int32_t provisor_exec_signal(int32_t, int32_t);
PROVISOR_IMPORT("exec_close") int32_t provisor_exec_close(int32_t);
PROVISOR_IMPORT("chmod") int32_t provisor_chmod(int32_t, int32_t, int32_t);
PROVISOR_IMPORT("mode") int32_t provisor_mode(int32_t, int32_t);
PROVISOR_IMPORT("cache_restore") int32_t provisor_cache_restore(int32_t, int32_t);
PROVISOR_IMPORT("cache_save") int32_t provisor_cache_save(int32_t, int32_t);
PROVISOR_IMPORT("last_error") int32_t provisor_last_error(int32_t, int32_t);

// What a plugin exports beside its memory.
PROVISOR_EXPORT("provisor_abi_version") int32_t provisor_abi_version(void);
PROVISOR_EXPORT("provisor_alloc") int32_t provisor_alloc(int32_t);
PROVISOR_EXPORT("provisor_handle") int32_t provisor_handle(int32_t, int32_t);

#endif
