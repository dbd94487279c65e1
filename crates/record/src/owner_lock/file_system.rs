//! Which file systems belong to one kernel alone.

use std::fs::File;

/// Whether no other kernel can hold a lock on the file. Only file systems that are known to be local count: with another
/// one more is left open, and nothing is said that is not so.
#[cfg(target_os = "linux")]
pub(super) fn is_of_this_kernel(file: &File) -> bool {
    let Ok(found) = nix::sys::statfs::fstatfs(file) else { return false };
    // The type has another width on each platform, and the numbers have 32 bits.
    let magic = found.filesystem_type().0 as u32;
    LOCAL.iter().any(|(known, _)| *known == magic)
}

/// Other systems say it in their own ways, and have no pid namespaces that would make it necessary.
#[cfg(not(target_os = "linux"))]
pub(super) const fn is_of_this_kernel(_file: &File) -> bool {
    false
}

/// Numbers of local file systems, as in `linux/magic.h`.
#[cfg(target_os = "linux")]
const LOCAL: [(u32, &str); 18] = [
    (0x0000_ef53, "ext2, ext3, ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlayfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0xca45_1a4e, "bcachefs"),
    (0x3153_464a, "jfs"),
    (0x5265_4973, "reiserfs"),
    (0x0000_3434, "nilfs"),
    (0x0000_4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x7366_746e, "ntfs3"),
    (0x0000_f15f, "ecryptfs"),
    (0x6175_6673, "aufs"),
    (0x0000_482b, "hfsplus"),
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_local_is_not() {
        assert!(is_of_this_kernel(&tempfile::tempfile().unwrap()));
        assert!(!is_of_this_kernel(&File::open("/proc/self/stat").unwrap()));
    }
}
