//! The page's own files, carried in the binary; what makes it live comes from the library.

use std::sync::LazyLock;

use presence_server::Asset;

/// How it looks.
pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style.css", include_bytes!("../assets/style.css")));

/// What stands in the browser's tab.
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", include_bytes!("../assets/icon.svg")));
