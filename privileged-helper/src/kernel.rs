//! What the helper asks the system before it loads anything.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, bail};
use rustix::time::{ClockId, clock_gettime};

/// The oldest kernel with ring buffers.
const OLDEST: (u32, u32) = (5, 8);

/// A kernel's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// As `uname -r` prints it.
    pub(crate) release: String,
}

impl Kernel {
    /// The running one.
    ///
    /// # Errors
    /// When it is older than the programs need.
    pub(crate) fn running() -> anyhow::Result<Self> {
        let name = rustix::system::uname();
        Self::supported(&name.release().to_string_lossy())
    }

    fn supported(release: &str) -> anyhow::Result<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            bail!("could not read the kernel's version from `{release}`");
        };
        if (major, minor) < OLDEST {
            bail!(
                "Linux {release} is too old: packets need {}.{} or newer; the gateway works \
                 without the helper",
                OLDEST.0,
                OLDEST.1
            );
        }
        Ok(Self { release: release.to_owned() })
    }
}

/// Opens the root of the version 2 control group tree, where it is mounted.
///
/// # Errors
/// When there is none.
pub(crate) fn open_cgroup() -> anyhow::Result<File> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .context("could not read `/proc/self/mountinfo`")?;
    let path = cgroup_mount(&mounts)
        .context("no version 2 control group tree is mounted (`mount -t cgroup2`)")?;
    File::open(&path).with_context(|| format!("could not open `{}`", path.display()))
}

/// The mount point of the whole version 2 tree: in each line, the fourth field is the part that is
/// mounted, the fifth where; the file system's name follows a lone dash (proc(5)).
fn cgroup_mount(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (part, point) = (fields.next()?, fields.next()?);
        (kind.starts_with("cgroup2 ") && part == "/").then(|| PathBuf::from(point))
    })
}

/// Nanoseconds since boot.
pub(crate) fn boot_ns() -> u64 {
    u64::try_from(clock_ns(ClockId::Boottime)).unwrap_or(0)
}

/// What to add to nanoseconds since boot for nanoseconds since 1970.
pub(crate) fn boot_to_unix_ns() -> i64 {
    // The boot clock is read on both sides, so that an interruption shows as half of itself.
    let before = clock_ns(ClockId::Boottime);
    let unix = clock_ns(ClockId::Realtime);
    let after = clock_ns(ClockId::Boottime);
    unix - i64::midpoint(before, after)
}

fn clock_ns(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_kernel_without_ring_buffers_and_says_why() {
        let refusal = Kernel::supported("5.4.0-150-generic").unwrap_err().to_string();
        assert!(refusal.contains("too old") && refusal.contains("5.8"), "{refusal}");
        assert!(Kernel::supported("4.19").is_err());
        assert!(Kernel::supported("five").is_err());
    }

    #[test]
    fn takes_release_names_of_every_shape() {
        for release in ["5.8", "5.8.0-rc1", "6.18.44-fc-v595", "6.1.0-18-amd64", "10.0"] {
            assert_eq!(Kernel::supported(release).unwrap().release, release);
        }
    }

    #[test]
    fn finds_the_tree_beside_version_1_and_skips_parts_of_it() {
        let mounts = "\
33 32 0:30 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
34 33 0:31 /a/container /run/part rw shared:9 - cgroup2 cgroup2 rw
35 33 0:31 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
";
        assert_eq!(cgroup_mount(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(cgroup_mount("33 32 0:30 / / rw - ext4 /dev/a rw"), None);
    }
}
