//! The page's own files, embedded in the binary. The scripts come from the library.

use std::sync::LazyLock;

use presence_server::Asset;

pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style.css", include_bytes!("../assets/style.css")));

pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", include_bytes!("../assets/icon.svg")));
