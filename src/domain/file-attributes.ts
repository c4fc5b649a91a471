// Which extended attributes of a file are archived and given back.
//
// Everything that a user, a program or an administrator has set; not what the kernel derives for itself
// on every machine anew (security.evm), nor what means something to one kind of file system only
// (system.nfs4_acl, btrfs.compression).

const KEPT =
  /^(?:(?:user|trusted)\..+|security\.(?:capability|selinux)|system\.posix_acl_(?:access|default))$/s

// The kernel's own limit, XATTR_NAME_MAX.
const NAME_BYTES_MAX = 255

/** The kernel's own limit, XATTR_SIZE_MAX. */
export const ATTRIBUTE_VALUE_BYTES_MAX = 65_536

/**
 * Of all attributes of one member, as records of the archive: with the longest path (500 000 bytes) they
 * still fit into the 1 MiB that readers of tar grant one header.
 */
export const ATTRIBUTE_RECORD_BYTES_MAX = 524_288

/** Parts of a path, and more is not restored: a tree this deep costs its path's length for every folder. */
export const FOLDERS_DEEP_MAX = 4_096

/**
 * Before or after 1970: 31 million years, the largest number of fifteen digits. File systems with 64 bits for seconds
 * take more, from whoever may write there, and other tools read no such archive.
 */
export const MTIME_SECONDS_MAX = 999_999_999_999_999

export const CAPABILITY = 'security.capability'
export const SELINUX_LABEL = 'security.selinux'
export const ACCESS_ACL = 'system.posix_acl_access'
export const DEFAULT_ACL = 'system.posix_acl_default'

/** `name` has one character per byte. */
export function isKeptAttribute(name: string): boolean {
  return KEPT.test(name) && name.length <= NAME_BYTES_MAX && !name.includes('\0')
}
