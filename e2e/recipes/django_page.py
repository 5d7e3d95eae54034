"""A page of Django with the recipe's tag; the recipe's file and the room are the arguments."""

import sys

import django
from django.conf import settings
from django.template import engines

settings.configure(
    LANGUAGE_CODE="it",
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"libraries": {"presence": "presence"}},
        }
    ],
)
sys.path.insert(0, sys.argv[1])
django.setup()

page = engines["django"].from_string("{% load presence %}{% live_presence room %}")
for _ in range(2):
    print(page.render({"room": sys.argv[2]}))
