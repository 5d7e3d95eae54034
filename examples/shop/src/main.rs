//! A shop: each product's page says how many others look at it right now, and how many have it in their basket.

use std::process::ExitCode;
use std::sync::LazyLock;

use askama::Template;
use presence_server::{
    App, Asset, Change, Click, Fragment, PageRequest, PublicId, Refusal, RoomView, Route, Site, Visit, Write,
};

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("shop.css", include_bytes!("../templates/shop.css")));

/// Path, name, price, a word about it.
type Product = (&'static str, &'static str, &'static str, &'static str);

const PRODUCTS: [Product; 3] = [
    ("/teapot", "Teapot", "€ 48", "Stoneware, one litre. Pours without a drop."),
    ("/lamp", "Desk lamp", "€ 120", "One joint, one spring, one switch."),
    ("/chair", "Chair", "€ 210", "Oiled oak. Six of them make a tower."),
];

/// The whole page; its blocks `numbers` and `basket` are what changes redraw.
#[derive(Template)]
#[template(path = "page.html", blocks = ["numbers", "basket"])]
struct Page<'a> {
    visit: Option<&'a Visit<'a>>,
    product: Option<&'a Product>,
    others: u32,
    baskets: usize,
    mine: bool,
}

impl<'a> Page<'a> {
    fn of(view: &RoomView, visit: Option<&'a Visit<'a>>, user: Option<PublicId>) -> Self {
        let last = view.newest_of_each("baskets");
        Self {
            visit,
            product: PRODUCTS.iter().find(|(path, ..)| view.room.as_str().ends_with(path)),
            others: view.users.saturating_sub(visit.is_none_or(|visit| visit.tabs > 0).into()),
            baskets: last.values().filter(|entry| entry.value == b"in").count(),
            mine: user.and_then(|user| last.get(&user)).is_some_and(|entry| entry.value == b"in"),
        }
    }
}

struct Shop;

impl App for Shop {
    /// The list is the room `shop`, a product's page a room of its own: `shop/teapot`.
    fn route(&self, request: &PageRequest<'_>) -> Route {
        let is_page = request.path == "/" || PRODUCTS.iter().any(|product| product.0 == request.path);
        is_page.then(|| request.site.below(request.path)).flatten().into()
    }

    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page::of(view, Some(visit), Some(visit.user)).to_string()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let inside = click.target.strip_prefix("Basket#").filter(|inside| ["in", "out"].contains(inside));
        Ok(vec![Write::append_bytes("baskets", inside.ok_or(Refusal::Unknown)?, 1_000)])
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        let page = |user| Page::of(view, None, user);
        match change {
            Change::You { user } => vec![Fragment::new("basket", page(Some(*user)).as_basket())],
            Change::Everything | Change::Counts | Change::Logged(_) => {
                vec![Fragment::new("numbers", page(None).as_numbers())]
            }
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    presence_server::run(Shop, Site { assets: vec![STYLE.clone()], ..Site::new("shop") })
}
