//! The page's own files, embedded in the binary. The scripts come from the library.

use std::sync::LazyLock;

use presence_server::Asset;

use crate::hi;

static RULES: LazyLock<String> = LazyLock::new(|| [include_str!("../assets/style.css"), &hi::own_style()].concat());

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("style.css", RULES.as_bytes()));

pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", include_bytes!("../assets/icon.svg")));
