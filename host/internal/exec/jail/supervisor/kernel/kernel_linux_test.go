package kernel

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is written down here is what golang.org/x/sys/unix has, which is generated from the kernel's own headers.
func TestConstants(t *testing.T) {
	for name, c := range map[string]struct{ got, want int }{
		"AT_EMPTY_PATH":                 {AT_EMPTY_PATH, unix.AT_EMPTY_PATH},
		"AT_FDCWD":                      {AT_FDCWD, unix.AT_FDCWD},
		"AT_RECURSIVE":                  {AT_RECURSIVE, unix.AT_RECURSIVE},
		"CAP_SETPCAP":                   {CAP_SETPCAP, unix.CAP_SETPCAP},
		"CLOSE_RANGE_CLOEXEC":           {CLOSE_RANGE_CLOEXEC, unix.CLOSE_RANGE_CLOEXEC},
		"FSMOUNT_CLOEXEC":               {FSMOUNT_CLOEXEC, unix.FSMOUNT_CLOEXEC},
		"FSOPEN_CLOEXEC":                {FSOPEN_CLOEXEC, unix.FSOPEN_CLOEXEC},
		"MOUNT_ATTR_NODEV":              {MOUNT_ATTR_NODEV, unix.MOUNT_ATTR_NODEV},
		"MOUNT_ATTR_NOEXEC":             {MOUNT_ATTR_NOEXEC, unix.MOUNT_ATTR_NOEXEC},
		"MOUNT_ATTR_NOSUID":             {MOUNT_ATTR_NOSUID, unix.MOUNT_ATTR_NOSUID},
		"MOUNT_ATTR_RDONLY":             {MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_RDONLY},
		"MOVE_MOUNT_F_EMPTY_PATH":       {MOVE_MOUNT_F_EMPTY_PATH, unix.MOVE_MOUNT_F_EMPTY_PATH},
		"MOVE_MOUNT_T_EMPTY_PATH":       {MOVE_MOUNT_T_EMPTY_PATH, unix.MOVE_MOUNT_T_EMPTY_PATH},
		"O_PATH":                        {O_PATH, unix.O_PATH},
		"OPEN_TREE_CLOEXEC":             {OPEN_TREE_CLOEXEC, unix.OPEN_TREE_CLOEXEC},
		"OPEN_TREE_CLONE":               {OPEN_TREE_CLONE, unix.OPEN_TREE_CLONE},
		"PR_CAPBSET_DROP":               {PR_CAPBSET_DROP, unix.PR_CAPBSET_DROP},
		"PR_CAP_AMBIENT":                {PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT},
		"PR_CAP_AMBIENT_CLEAR_ALL":      {PR_CAP_AMBIENT_CLEAR_ALL, unix.PR_CAP_AMBIENT_CLEAR_ALL},
		"PR_SET_CHILD_SUBREAPER":        {PR_SET_CHILD_SUBREAPER, unix.PR_SET_CHILD_SUBREAPER},
		"PR_SET_DUMPABLE":               {PR_SET_DUMPABLE, unix.PR_SET_DUMPABLE},
		"PR_SET_NO_NEW_PRIVS":           {PR_SET_NO_NEW_PRIVS, unix.PR_SET_NO_NEW_PRIVS},
		"RESOLVE_IN_ROOT":               {RESOLVE_IN_ROOT, unix.RESOLVE_IN_ROOT},
		"RESOLVE_NO_MAGICLINKS":         {RESOLVE_NO_MAGICLINKS, unix.RESOLVE_NO_MAGICLINKS},
		"RLIMIT_NPROC":                  {RLIMIT_NPROC, unix.RLIMIT_NPROC},
		"LANDLOCK_ACCESS_FS_EXECUTE":    {LANDLOCK_ACCESS_FS_EXECUTE, unix.LANDLOCK_ACCESS_FS_EXECUTE},
		"LANDLOCK_ACCESS_FS_WRITE_FILE": {LANDLOCK_ACCESS_FS_WRITE_FILE, unix.LANDLOCK_ACCESS_FS_WRITE_FILE},
		"LANDLOCK_ACCESS_FS_READ_FILE":  {LANDLOCK_ACCESS_FS_READ_FILE, unix.LANDLOCK_ACCESS_FS_READ_FILE},
		"LANDLOCK_ACCESS_FS_TRUNCATE":   {LANDLOCK_ACCESS_FS_TRUNCATE, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
		"LANDLOCK_ACCESS_FS_IOCTL_DEV":  {LANDLOCK_ACCESS_FS_IOCTL_DEV, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
		"FSCONFIG_SET_STRING":           {fsconfigSetString, unix.FSCONFIG_SET_STRING},
		"FSCONFIG_CMD_CREATE":           {fsconfigCreate, unix.FSCONFIG_CMD_CREATE},
		"LANDLOCK_RULE_PATH_BENEATH":    {landlockRulePathBeneath, unix.LANDLOCK_RULE_PATH_BENEATH},
		"SECCOMP_SET_MODE_FILTER":       {seccompSetModeFilter, unix.SECCOMP_SET_MODE_FILTER},
		"SYS_PIDFD_SEND_SIGNAL":         {sysPidfdSendSignal, unix.SYS_PIDFD_SEND_SIGNAL},
		"SYS_OPEN_TREE":                 {sysOpenTree, unix.SYS_OPEN_TREE},
		"SYS_MOVE_MOUNT":                {sysMoveMount, unix.SYS_MOVE_MOUNT},
		"SYS_FSOPEN":                    {sysFsopen, unix.SYS_FSOPEN},
		"SYS_FSCONFIG":                  {sysFsconfig, unix.SYS_FSCONFIG},
		"SYS_FSMOUNT":                   {sysFsmount, unix.SYS_FSMOUNT},
		"SYS_PIDFD_OPEN":                {sysPidfdOpen, unix.SYS_PIDFD_OPEN},
		"SYS_CLOSE_RANGE":               {sysCloseRange, unix.SYS_CLOSE_RANGE},
		"SYS_OPENAT2":                   {sysOpenat2, unix.SYS_OPENAT2},
		"SYS_MOUNT_SETATTR":             {sysMountSetattr, unix.SYS_MOUNT_SETATTR},
		"SYS_LANDLOCK_CREATE_RULESET":   {sysLandlockCreateRuleset, unix.SYS_LANDLOCK_CREATE_RULESET},
		"SYS_LANDLOCK_ADD_RULE":         {sysLandlockAddRule, unix.SYS_LANDLOCK_ADD_RULE},
		"SYS_LANDLOCK_RESTRICT_SELF":    {sysLandlockRestrictSelf, unix.SYS_LANDLOCK_RESTRICT_SELF},
		"SYS_SECCOMP":                   {sysSeccomp, unix.SYS_SECCOMP},
		"capability version":            {int(capabilityHeader.version), unix.LINUX_CAPABILITY_VERSION_3},
		"size of a filter's step":       {SockFilterSize, unix.SizeofSockFilter},
		"size of MountAttr":             {int(unsafe.Sizeof(MountAttr{})), int(unsafe.Sizeof(unix.MountAttr{}))},
		"size of OpenHow":               {int(unsafe.Sizeof(OpenHow{})), unix.SizeofOpenHow},
		"size of SockFprog":             {int(unsafe.Sizeof(SockFprog{})), unix.SizeofSockFprog},
		"size of LandlockRulesetAttr":   {int(unsafe.Sizeof(LandlockRulesetAttr{})), int(unsafe.Offsetof(unix.LandlockRulesetAttr{}.Scoped) + 8)},
	} {
		if c.got != c.want {
			t.Errorf("%s is %#x, want %#x", name, c.got, c.want)
		}
	}
}
