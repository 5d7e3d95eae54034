//! Whether the files and folders of a node are those of the user that it runs as.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::Config;
use crate::store::Store;

/// The rights of a group and of all others to read.
const READ_BY_OTHERS: u32 = 0o044;

/// Fails if a node could not write to its folder, or not make it. Nothing that is there is changed.
pub(super) fn check_data_directory(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    let unusable = || format!("--data-dir {shown} can't be used: name a folder that user {} may write to", user());
    let mut parents = folder.ancestors().map(|part| if part.as_os_str().is_empty() { Path::new(".") } else { part });
    let existing = parents.find(|part| part.exists()).unwrap_or(folder);
    tempfile_in(existing).with_context(unusable)?;
    if Store::exists(folder) {
        OpenOptions::new().write(true).open(Store::file(folder)).with_context(unusable)?;
    }
    Ok(())
}

/// Makes a file in a folder and removes it: only the system knows whether that is allowed. Its name is one of those that a data
/// directory has.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!("secret.check-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(file)
}

/// The user of this process: the number, and the name if the system has one.
pub(super) fn user() -> String {
    name_of(rustix::process::geteuid().as_raw())
}

fn name_of(number: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, of) = (fields.next()?, fields.nth(1)?);
        (of.parse() == Ok(number)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| number.to_string())
}

/// The files that a node reads and that no user but their owner may read, in a sentence each. Root reads all of them, and a
/// node that runs as another user does not.
pub(super) fn own_alone(config: &Config) -> impl Iterator<Item = String> {
    let files = [
        ("--tls-cert", config.tls_cert.as_deref()),
        ("--tls-key", config.tls_key.as_deref()),
        ("--mesh-ca", config.mesh_ca.as_deref()),
        ("--mesh-cert", config.mesh_cert.as_deref()),
        ("--mesh-key", config.mesh_key.as_deref()),
        ("--mesh-creds", config.nats.mesh_creds.as_deref()),
        ("--api-keys-file", config.api_keys_file.as_deref()),
        ("--sites-file", config.sites_file.as_deref()),
        ("--log-filter-file", config.log_filter_file.as_deref()),
    ];
    let is_root = rustix::process::geteuid().is_root();
    files.into_iter().filter(move |_| is_root).filter_map(|(option, file)| {
        let file = file?;
        let data = fs::metadata(file).ok().filter(|data| data.mode() & READ_BY_OTHERS == 0)?;
        let owner = name_of(data.uid());
        Some(format!(
            "only {owner} may read {option} {}: a service with a user of its own needs a group that may",
            file.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_is_there_or_can_be_made_is_accepted_and_left_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        check_data_directory(&parent.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        fs::write(parent.path().join("facts.redb"), "as it is").unwrap();
        check_data_directory(parent.path()).unwrap();
        assert_eq!(fs::read(parent.path().join("facts.redb")).unwrap(), b"as it is");
        let mistake = format!("{:#}", check_data_directory(&parent.path().join("facts.redb/data")).unwrap_err());
        assert!(mistake.contains("--data-dir") && mistake.contains(&user()), "{mistake}");
        // Not even root may write there.
        let mistake = check_data_directory(Path::new("/proc/presence")).unwrap_err();
        assert!(mistake.to_string().starts_with("--data-dir /proc/presence can't be used"), "{mistake:#}");
    }

    #[test]
    fn root_is_told_of_files_that_only_their_owner_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        fs::write(&file, "[]").unwrap();
        let config = Config { api_keys_file: Some(file.clone()), ..Config::of([]).unwrap() };
        for (mode, told) in [(0o600, true), (0o640, false), (0o644, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let warnings: Vec<String> = own_alone(&config).collect();
            let told = told && rustix::process::geteuid().is_root();
            assert_eq!(warnings.iter().any(|warning| warning.contains("--api-keys-file")), told, "{warnings:?}");
        }
    }
}
