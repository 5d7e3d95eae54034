#!/usr/bin/env python3
"""Writes places.tsv: what a region or edge code means, in words and on the map.

Run it by hand when the table should be newer:

    pip install airportsdata babel && python3 places.py

Regions of hosting networks and the edges of Cloudflare, CloudFront and Fastly are named by the IATA code of the nearest
airport. Which codes they use changes every month, so every airport of the dataset that has such a code is kept.

Sources: airportsdata (MIT, https://github.com/mborsetti/airportsdata), names of countries by Unicode CLDR (babel).
"""

import pathlib
import re

import airportsdata
from babel import Locale

# An airport often lies outside the city that a network means by its code; these are the networks' own words.
CITIES = {
    "IAD": ("Ashburn", "Virginia"), "EWR": ("Secaucus", "New Jersey"), "DFW": ("Dallas", "Texas"), "HIO": ("Hillsboro", "Oregon"),
    "YYZ": "Toronto", "YUL": "Montréal", "BOG": "Bogotá", "QRO": "Querétaro", "GIG": "Rio de Janeiro", "GRU": "São Paulo",
    "EZE": "Buenos Aires", "FRA": "Frankfurt", "IST": "Istanbul", "SAW": "Istanbul", "BLR": "Bengaluru", "GDL": "Guadalajara",
    "SCL": "Santiago", "FJR": "Fujairah", "FOR": "Fortaleza", "CGH": "São Paulo", "VCP": "Campinas", "ASU": "Asunción",
    "MAA": "Chennai", "NRT": "Tokyo", "ITM": "Osaka", "KIX": "Osaka", "TPE": "Taipei", "HKG": "Hong Kong", "MEX": "Mexico City",
    "ORY": "Paris", "ZRH": "Zürich", "DUS": "Düsseldorf", "HAM": "Hamburg", "TXL": "Berlin", "BER": "Berlin", "MUC": "Munich",
    "KBP": "Kyiv", "GVA": "Geneva", "MRS": "Marseille", "WAW": "Warsaw", "OTP": "Bucharest", "ARN": "Stockholm",
}
COUNTRIES = {"HK": "Hong Kong", "MO": "Macao", "CG": "Congo", "CD": "DR Congo", "CC": "Cocos Islands", "MM": "Myanmar"}


def city_of(code, airport):
    chosen = CITIES.get(code)
    if chosen:
        return chosen if isinstance(chosen, tuple) else (chosen, airport["subd"])
    city = airport["city"] or re.sub(r"\s+(International|Regional|Municipal|Intl)?\s*(Airport|Airfield|Airstrip)$", "", airport["name"])
    city = re.sub(r"\bDe\b", "de", city.split(",")[0].split("/")[0]).strip()
    return city, airport["subd"]


def main():
    territories = Locale("en").territories
    lines = []
    for code, airport in sorted(airportsdata.load("IATA").items()):
        if not re.fullmatch(r"[A-Z]{3}", code):
            continue
        city, state = city_of(code, airport)
        country = COUNTRIES.get(airport["country"]) or territories.get(airport["country"], airport["country"])
        country = country.replace("’", "'")
        if airport["country"] == "US":
            country = f"{state} (US)"
        name = country if city in ("", country) else f"{city}, {country}"
        lines.append("\t".join([code.lower(), name, f"{airport['lat']:.2f}", f"{airport['lon']:.2f}"]))
    head = "# Written by places.py from airportsdata (MIT) and Unicode CLDR: code, name, latitude, longitude. Sorted by code.\n"
    pathlib.Path(__file__).with_name("places.tsv").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
