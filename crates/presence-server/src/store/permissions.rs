//! Other users of the machine read none of what is on disk.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;
/// Names of files in a data directory begin with one of these.
const OURS: [&str; 2] = ["facts.redb", "secret"];

/// Makes the folder and the file where they are missing, and takes from others what rights they have. A folder that holds
/// anything else is left as it is: its other files may be meant for others. What fails is logged; opening the file says
/// why.
pub(super) fn keep_private(folder: &Path, file: &Path) {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| tighten_folder(folder));
    let opened = made.and_then(|()| {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => tighten(file, 0o600),
            made => made.map(drop),
        }
    });
    if let Err(error) = opened {
        tracing::warn!(%error, "other users of this machine may be able to read {}: chmod it", folder.display());
    }
}

fn tighten_folder(folder: &Path) -> io::Result<()> {
    let only_ours = fs::read_dir(folder)?.all(|entry| {
        entry.is_ok_and(|entry| OURS.iter().any(|ours| entry.file_name().to_string_lossy().starts_with(ours)))
    });
    if only_ours { tighten(folder, 0o700) } else { Ok(()) }
}

fn tighten(path: &Path, mode: u32) -> io::Result<()> {
    let now = fs::metadata(path)?.permissions().mode();
    if now & OTHERS == 0 { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(mode)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_data_directory_and_its_file_are_the_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/data");
        let file = folder.join("facts.redb");
        keep_private(&folder, &file);
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        keep_private(&folder, &file);
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        // A folder with files of others.
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("notes"), "").unwrap();
        keep_private(&folder, &file);
        assert_eq!((mode(&folder), mode(&file)), (0o755, 0o600));
    }
}
