package kernel

// Flags and the like, by the kernel's names.
const (
	AT_EMPTY_PATH            = 0x1000
	AT_FDCWD                 = -0x64
	AT_RECURSIVE             = 0x8000
	CAP_SETPCAP              = 0x8
	CLOSE_RANGE_CLOEXEC      = 0x4
	FSMOUNT_CLOEXEC          = 0x1
	FSOPEN_CLOEXEC           = 0x1
	MOUNT_ATTR_NODEV         = 0x4
	MOUNT_ATTR_NOEXEC        = 0x8
	MOUNT_ATTR_NOSUID        = 0x2
	MOUNT_ATTR_RDONLY        = 0x1
	MOVE_MOUNT_F_EMPTY_PATH  = 0x4
	MOVE_MOUNT_T_EMPTY_PATH  = 0x40
	O_PATH                   = 0x200000
	OPEN_TREE_CLOEXEC        = 0x80000
	OPEN_TREE_CLONE          = 0x1
	PR_CAPBSET_DROP          = 0x18
	PR_CAP_AMBIENT           = 0x2f
	PR_CAP_AMBIENT_CLEAR_ALL = 0x4
	PR_SET_CHILD_SUBREAPER   = 0x24
	PR_SET_DUMPABLE          = 0x4
	PR_SET_NO_NEW_PRIVS      = 0x26
	RESOLVE_IN_ROOT          = 0x10
	RESOLVE_NO_MAGICLINKS    = 0x2
	RLIMIT_NPROC             = 0x6

	LANDLOCK_ACCESS_FS_EXECUTE    = 0x1
	LANDLOCK_ACCESS_FS_WRITE_FILE = 0x2
	LANDLOCK_ACCESS_FS_READ_FILE  = 0x4
	LANDLOCK_ACCESS_FS_TRUNCATE   = 0x4000
	LANDLOCK_ACCESS_FS_IOCTL_DEV  = 0x8000
)

const (
	fsconfigSetString       = 0x1
	fsconfigCreate          = 0x6
	landlockRulePathBeneath = 0x1
	seccompSetModeFilter    = 0x1
)

// The numbers of system calls. Those from 424 on are the same on all architectures.
const (
	sysPidfdSendSignal       = 424
	sysOpenTree              = 428
	sysMoveMount             = 429
	sysFsopen                = 430
	sysFsconfig              = 431
	sysFsmount               = 432
	sysPidfdOpen             = 434
	sysCloseRange            = 436
	sysOpenat2               = 437
	sysMountSetattr          = 442
	sysLandlockCreateRuleset = 444
	sysLandlockAddRule       = 445
	sysLandlockRestrictSelf  = 446
)
