// Package jailfs is the filesystem that an instance sees: wazero's experimental sys.FS over an os.Root, with quotas.
//
// # What it holds
//
// Nothing that a guest names leads out of the directory: not "..", not an absolute path, not a symbolic link, whoever made
// it and whenever, for os.Root resolves each path component by component and never follows a link out. Only regular files
// and directories open; FIFOs, sockets and devices are opened without blocking, looked at and refused. A file with more than
// one name is refused as well, since its other name may lie outside, and so guests make no hard links.
//
// # What it counts
//
// A [Quota] counts what the guest itself put on the disk through its mounts: the lengths of the files as far as the guest
// made them grow, and the names it made (files, directories, links). A file without a name counts until it is closed. What
// other programs write into the same directories is not counted here; those have limits of their own. Neither is it credited
// to the guest when it removes such files. What other programs removed or shortened of the guest's files is found by a scan
// when a limit is hit, so an honest guest is not refused for files that are gone.
//
// # Where it holds
//
// On Linux and the other Unixes as said. On Windows os.Root contains paths and links just as well, but files have no
// inode numbers that we could use: a file that was renamed stays charged to its old name until the next scan. Nowhere
// does os.Root look at mount points: who may mount inside the directory may show the guest what is mounted.
package jailfs
