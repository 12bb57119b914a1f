"""Words of demo data: what kinds of items a domain has, and what they are called."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """The words of a domain.

    Attributes:
        categories: Name of a category -> nouns of its items.
        of_makers: Whether a title begins with a maker, as products' do; else it is a work's title.
    """

    categories: Mapping[str, tuple[str, ...]]
    of_makers: bool = True


MAKERS = (
    "Alderwick", "Brennmoor", "Calvane", "Dunharrow", "Eastmere", "Fennick", "Galloway & Rye",
    "Hollin", "Isenbrook", "Juniper Lane", "Kestrel", "Lorrimer",
)  # fmt: skip
# What tastes are about: a user prefers two of these, and an item has one.
TRAITS = (
    "quiet", "bold", "classic", "light", "sturdy", "bright", "smooth", "rustic",
)  # fmt: skip
_SECOND_WORDS = (
    "Amber", "Coastal", "Northern", "Silver", "Hidden", "Golden", "Winter", "Orchard", "Harbor",
    "Meadow", "Copper", "Evening", "Granite", "Velvet", "Prairie", "Island",
)  # fmt: skip

_GOODS = {
    "fashion": {
        "Dresses": ("Wrap Dress", "Maxi Dress", "Shift Dress"),
        "Shoes": ("Sneakers", "Loafers", "Ankle Boots"),
        "Jewelry": ("Hoop Earrings", "Pendant Necklace", "Bracelet"),
        "Outerwear": ("Rain Jacket", "Wool Coat", "Fleece Vest"),
        "Bags": ("Tote Bag", "Crossbody Bag", "Backpack"),
        "Accessories": ("Scarf", "Leather Belt", "Sunglasses"),
    },
    "grocery": {
        "Coffee": ("Ground Coffee", "Espresso Beans", "Cold Brew"),
        "Tea": ("Green Tea", "Black Tea", "Herbal Tea"),
        "Snacks": ("Trail Mix", "Rice Crackers", "Granola Bars"),
        "Pasta & Sauces": ("Penne Pasta", "Tomato Sauce", "Basil Pesto"),
        "Spices": ("Smoked Paprika", "Curry Powder", "Sea Salt"),
        "Sweets": ("Dark Chocolate", "Caramels", "Shortbread"),
    },
    "health": {
        "Vitamins": ("Vitamin D Drops", "Magnesium Tablets", "Multivitamin"),
        "Skin Care": ("Face Cream", "Hand Balm", "Sunscreen"),
        "Hair Care": ("Shampoo", "Conditioner", "Hair Oil"),
        "Oral Care": ("Toothpaste", "Mouthwash", "Dental Floss"),
        "Cleaning": ("Dish Soap", "Laundry Sheets", "Glass Cleaner"),
        "First Aid": ("Bandages", "Cooling Gel", "Thermometer"),
    },
    "work": {
        "Measuring": ("Digital Caliper", "Pocket Scale", "Tape Measure"),
        "Fasteners": ("Hex Bolts", "Cable Ties", "Wall Anchors"),
        "Safety": ("Work Gloves", "Safety Glasses", "Ear Muffs"),
        "Writing": ("Gel Pens", "Notebook", "Highlighters"),
        "Storage": ("Drawer Organizer", "File Box", "Label Maker"),
        "Adhesives": ("Epoxy", "Masking Tape", "Super Glue"),
    },
    "baby": {
        "Feeding": ("Baby Bottle", "Bib Set", "Silicone Spoons"),
        "Sleep": ("Swaddle Blanket", "Night Light", "Sleep Sack"),
        "Toys": ("Teething Ring", "Stacking Cups", "Plush Rabbit"),
        "Bath": ("Hooded Towel", "Bath Thermometer", "Baby Wash"),
        "Travel": ("Stroller Hook", "Diaper Bag", "Car Mirror"),
        "Safety": ("Cabinet Lock", "Corner Guards", "Baby Gate"),
    },
    "pets": {
        "Dog Food": ("Salmon Kibble", "Beef Stew", "Puppy Kibble"),
        "Cat Food": ("Tuna Pate", "Chicken Bites", "Kitten Mousse"),
        "Treats": ("Dental Chews", "Liver Treats", "Catnip Treats"),
        "Toys": ("Rope Toy", "Feather Wand", "Squeaky Duck"),
        "Beds": ("Donut Bed", "Window Perch", "Crate Mat"),
        "Walking": ("Harness", "Leash", "Reflective Collar"),
    },
    "music_gear": {
        "Guitars": ("Acoustic Guitar", "Guitar Strings", "Capo"),
        "Keyboards": ("MIDI Keyboard", "Keyboard Stand", "Sustain Pedal"),
        "Drums": ("Practice Pad", "Drumsticks", "Ride Cymbal"),
        "Recording": ("Condenser Microphone", "Audio Interface", "Pop Filter"),
        "Cables": ("Instrument Cable", "XLR Cable", "Patch Cable"),
        "Wind": ("Clarinet Reeds", "Harmonica", "Flute Stand"),
    },
}  # fmt: skip
_WORKS = {
    "books": {
        "Mystery": ("Alibi", "Witness", "Secret"),
        "Romance": ("Letters", "Promise", "Summer"),
        "Science Fiction": ("Orbit", "Colony", "Signal"),
        "Fantasy": ("Crown", "Dragon", "Spell"),
        "History": ("Empire", "Voyage", "Rebellion"),
        "Cooking": ("Kitchen", "Harvest", "Table"),
    },
    "movies": {
        "Drama": ("Confession", "Inheritance", "Farewell"),
        "Comedy": ("Wedding", "Roommates", "Vacation"),
        "Thriller": ("Pursuit", "Hostage", "Conspiracy"),
        "Documentary": ("Glaciers", "Markets", "Archives"),
        "Animation": ("Foxes", "Robots", "Lighthouse"),
        "Western": ("Gunslinger", "Frontier", "Stagecoach"),
    },
    "albums": {
        "Jazz": ("Quartet", "Sessions", "Standards"),
        "Folk": ("Ballads", "Lanterns", "Rivers"),
        "Metal": ("Anvil", "Thunder", "Ruins"),
        "Electronic": ("Circuits", "Pulse", "Neon"),
        "Classical": ("Sonatas", "Nocturnes", "Preludes"),
        "Soul": ("Grooves", "Devotion", "Sunday"),
    },
    "games": {
        "Strategy": ("Dynasty", "Colonies", "Tactics"),
        "Action": ("Strike", "Vendetta", "Arena"),
        "Puzzle": ("Tiles", "Labyrinth", "Gears"),
        "Racing": ("Circuit", "Rally", "Drift"),
        "Adventure": ("Expedition", "Relics", "Odyssey"),
        "Simulation": ("Farm", "Airport", "Railways"),
    },
    "beers": {
        "American IPA": ("IPA", "Hop Harvest", "Double IPA"),
        "Stout": ("Stout", "Oatmeal Stout", "Night Stout"),
        "Pilsner": ("Pilsner", "Lager", "Keller Pils"),
        "Saison": ("Saison", "Farmhouse Ale", "Table Ale"),
        "Wheat Beer": ("Hefeweizen", "Witbier", "Wheat Ale"),
        "Porter": ("Porter", "Smoked Porter", "Baltic Porter"),
    },
}  # fmt: skip
# Part of a dataset's name -> theme; the first that fits.
_THEMES = {
    "instruments": "music_gear", "fashion": "fashion", "clothing": "fashion",
    "grocery": "grocery", "gourmet": "grocery", "health": "health", "beauty": "health",
    "baby": "baby", "toys": "baby", "pet_": "pets", "book": "books", "kindle": "books",
    "movies": "movies", "ml-": "movies", "movielens": "movies", "cds": "albums",
    "music": "albums", "lastfm": "albums", "game": "games", "software": "games",
    "steam": "games", "beer": "beers",
}  # fmt: skip


def choose_vocabulary(name: str) -> Vocabulary:
    """Return the words for a dataset by its name; tools and office supplies if none fits.

    >>> sorted(choose_vocabulary("amazon2018/Books").categories)[:2]
    ['Cooking', 'Fantasy']
    """
    theme = next((value for key, value in _THEMES.items() if key in name.casefold()), "work")
    if theme in _WORKS:
        return Vocabulary(_WORKS[theme], of_makers=theme == "beers")
    return Vocabulary(_GOODS[theme])


def compose_title(maker: str, trait: str, noun: str, number: int, of_makers: bool) -> str:
    """Return a title that no other `number` has."""
    second = _SECOND_WORDS[number % len(_SECOND_WORDS)]
    volume = number // len(_SECOND_WORDS)
    if of_makers:
        return f"{maker} {trait.title()} {second} {noun}" + (f" No. {volume}" if volume else "")
    return f"The {trait.title()} {second} {noun}" + (f", Part {volume + 1}" if volume else "")
