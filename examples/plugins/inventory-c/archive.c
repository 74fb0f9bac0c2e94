#include "archive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "provisor.h"
#include "tar.h"

enum { MAX_ENTRIES = 20000, MAX_QUOTED = 200 };

// quoted is a name for a message: of any bytes, of which not all need be text.
static const char *quoted(const char *name) {
  static char text[MAX_QUOTED + 3];
  size_t n = 0;
  text[n++] = '"';
  for (; *name && n <= MAX_QUOTED; name++) text[n++] = *name >= ' ' && *name <= '~' ? *name : '?';
  text[n++] = '"';
  text[n] = 0;
  return text;
}

// local_path writes the path of what the name stands for in the work directory. It returns false for what is not in there.
static bool local_path(const char *name, char *path) {
  static const char root[] = PROVISOR_WORK_DIR;
  size_t at = sizeof root - 1;
  memcpy(path, root, sizeof root);
  if (name[0] == 0 || name[0] == '/') return false;
  while (*name) {
    size_t size = strcspn(name, "/");
    if (size == 2 && !memcmp(name, "..", 2)) {
      if (at == sizeof root - 1) return false;
      while (path[at] != '/') at--;
      path[at] = 0;
    } else if (size > 0 && !(size == 1 && name[0] == '.')) {
      path[at++] = '/';
      memcpy(path + at, name, size);
      path[at += size] = 0;
    }
    name += size;
    while (*name == '/') name++;
  }
  return true;
}

static bool make_directory(const char *path) {
  struct stat info;
  if (mkdir(path, 0700) == 0) return true;
  if (errno != EEXIST || stat(path, &info) < 0) return fail("a directory can't be made: %s", strerror(errno));
  return S_ISDIR(info.st_mode) || fail("a file has the name of a directory");
}

// make_parents makes the directories that lead to the path, which it leaves as it was.
static bool make_parents(char *path) {
  if (!strcmp(path, PROVISOR_WORK_DIR)) return true;
  for (char *slash = strchr(path + sizeof PROVISOR_WORK_DIR, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    bool ok = make_directory(path);
    *slash = '/';
    if (!ok) return false;
  }
  return true;
}

static void warn(const struct tar_entry *e) {
  char text[MAX_QUOTED + 200];
  int n = snprintf(text, sizeof text, "The template archive's entry %s is left out: only files and directories are extracted", quoted(e->name));
  provisor_log(PROVISOR_WARN, (int32_t)text, n);
}

static bool extract(const struct tar_entry *e, char *path) {
  switch (e->type) {
    case '0':
      return make_parents(path) && write_file(path, e->data, e->size);
    case '5':
      return make_parents(path) && make_directory(path);
    default:
      warn(e);
      return true;
  }
}

// walk checks every entry, and extracts it if it is told to.
static bool walk(struct tar archive, bool write) {
  struct tar_entry *e = need(sizeof *e);
  char path[sizeof PROVISOR_WORK_DIR + TAR_MAX_NAME + 1];
  for (int n = 1;; n++) {
    if (provisor_canceled()) return fail("canceled");
    enum tar_result result = tar_next(&archive, e);
    if (result != TAR_ENTRY) return result == TAR_END;
    if (n > MAX_ENTRIES) return fail("there are more than %d entries", MAX_ENTRIES);
    if (!local_path(e->name, path)) return fail("refusing to extract to non-local path %s", quoted(e->name));
    if (write && !extract(e, path)) return fail("%s: %s", quoted(e->name), failure());
  }
}

bool archive_extract(const uint8_t *bytes, size_t size) {
  struct tar archive = {bytes, size, 0};
  if (walk(archive, false) && walk(archive, true)) return true;
  return fail("extract template archive: %s", failure());
}
