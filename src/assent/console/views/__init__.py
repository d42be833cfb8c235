"""What each page of the console does; every one asks the service and formats the answer."""

from assent.console.views import (
    collections,
    consents,
    home,
    keys,
    live,
    log,
    people,
    photos,
    reviews,
    search,
    videos,
)
from assent.console.visit import Page

PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *search.PAGES,
    *people.PAGES,
    *consents.PAGES,
    *photos.PAGES,
    *collections.PAGES,
    *videos.PAGES,
    *reviews.PAGES,
    *live.PAGES,
    *log.PAGES,
    *keys.PAGES,
)

__all__ = ["PAGES"]
