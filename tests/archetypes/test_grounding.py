"""Grounding: what a catalogue's vocabulary is, and which claims of planted texts its items support."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genair_engine.archetypes.scorecard import Vocabulary, ground, learn_vocabulary
from genair_engine.archetypes.scorecard.numbers import figures_of
from genair_engine.archetypes.scorecard.words import list_numbers, stem

SUN_HAT = {
    "title": "Zutano Baby UPF 30+ Sun Protection Hat",
    "description": "Our wide-brim sun hat with adorable chin ties will not only stay on but will keep your little one",
    "feature": "Select Size to see the return policy for the item; rank is 464,412 in Clothing, Shoes & Jewelry",
    "rating": "5",
}
"""The item of the paper's table 7, with the metadata that its prompt quotes."""

LLAMA_2 = """
Based on the provided information, the Zutano Baby UPF 30+ Sun Protection Hat is likely to appeal to specific user groups
who prioritize safety, functionality, and style for young children. 1. Parents or caregivers of young children (ages 0–5):
The product’s focus on providing protection from the sun and its cute design make it an ideal choice for parents who want
to keep their little ones safe while also dressing them in style. 2. Outdoor enthusiasts: People who enjoy spending time
outdoors, such as hikers, bicyclists, or beachgoers, may appreciate the hat’s ability to provide reliable sun protection
without sacrificing style. 3. Fashion-conscious individuals: Although the hat is primarily marketed towards parents and
caregivers, anyone looking for stylish headwear that also offers excellent sun protection could find this product
appealing. 4. Individuals living in sunny climates: Residents of areas with high levels of UV radiation may prioritize sun
protection when selecting clothing and accessories, making the Zutano Baby UPF 30+ Sun Protection Hat an attractive
option. 5. Active people: This group includes athletes, fitness enthusiasts, or those who engage in activities like
running, playing sports, or doing yoga, where they need to protect themselves from the sun during exercise. 6. Travelers:
Whether visiting tropical destinations or enjoying summer vacation at home, travelers might seek out a practical yet
stylish sun hat for their adventures. 7. Those with sensitive skin: Some individuals may have skin sensitivity or
allergies that make wearing certain fabrics uncomfortable or irritating. In such cases, the breathable cotton material of
this hat may offer relief and peace of mind. 8. Gift buyers: With its affordability, versatility, and cute design, this
hat could become a popular gift item for friends, family members, or colleagues with young children. 9. Educators or
daycare providers: Teachers, nannies, or other professionals responsible for supervising young children throughout the day
may appreciate the convenience and effectiveness of this sun hat. 10. Photographers or influencers: Professionals working
in creative fields where visual appearance matters may admire the Zutano Baby.
""".strip().replace("\n", " ")
QWEN_2_5 = """
The Zutano Baby UPF 30+ Sun Protection Hat appears to be a fashionable and practical accessory designed specifically for
infants and young children. Based on its attributes, the following types of users would likely find this item appealing:
1. **Parents and Guardians**: This is the primary target audience as the hat is designed for babies and young children.
Parents who are concerned about sun protection for their children would find this hat beneficial. 2. **Grandparents**:
Grandparents often play a significant role in caring for grandchildren and may appreciate the sun protection features of
this hat. 3. **Outdoor Enthusiasts**: Families who frequently engage in outdoor activities such as picnics, beach trips,
or park visits would value a hat that keeps their children shaded and protected from the sun. 4. **Health-Conscious
Individuals**: People who prioritize health and well-being might choose this hat to ensure their children receive adequate
sun protection during outdoor activities. 5. **Style-Conscious Parents**: The wide-brim design and cute chin ties suggest
that the hat is also stylish, which could appeal to parents who want both functionality and fashion for their children’s
accessories. Given the high star rating (5 stars) and the specific mention of UPF 30+ sun protection, the hat is clearly
designed with safety and comfort in mind, making it particularly suitable for families seeking reliable sun protection for
their young ones.
""".strip().replace("\n", " ")

SHOP = [
    SUN_HAT,
    {"title": "Baby Beach Hat", "brand": "Coolibar", "features": "100% Cotton, Breathable mesh", "color": "White"},
    {
        "title": "Cotton Outdoor Bucket Hat",
        "brand": "Coolibar",
        "description": "Made of breathable cotton. Ages 2 to 4 years.",
    },
    {
        "title": "Running Cap",
        "brand": "Nike",
        "description": "Made of recycled polyester, a breathable fabric.",
        "color": "Black",
    },
    {
        "title": "Stylish Travel Hat",
        "brand": "Nike",
        "description": "made from breathable cotton material.",
        "features": "Breathable mesh",
    },
    {"title": "Waterproof Rain Hat", "brand": "Outdoor Research", "description": "Made of polyester.", "color": "Black"},
    {"title": "Children's Rain Cap", "brand": "Gift", "description": "A gift. Waterproof and bpa-free.", "color": "White"},
    {
        "title": "Yoga Band",
        "brand": "Coolibar",
        "description": "Practical and bpa-free. Made of raw material.",
        "color": "Black",
    },
]


def vocabulary(items=SHOP):
    return learn_vocabulary(items, [item.get("brand", "") for item in items])


def marks(text, item=SUN_HAT, items=SHOP):
    return [(text[claim.start : claim.end], claim.kind) for claim in ground(text, item, vocabulary(items)).unsupported]


def test_the_llama_text_of_table_7_claims_a_material_that_nobody_wrote_of():
    assert marks(LLAMA_2) == [("ages 0–5", "age"), ("breathable cotton material", "material")]
    claim = ground(LLAMA_2, SUN_HAT, vocabulary()).unsupported[1]
    assert claim.reason == (
        "The item's metadata do not say “breathable” or “cotton”; the catalogue says “breathable” of 4 items and “cotton” "
        "of 3 items."
    )


def test_the_qwen_text_of_table_7_claims_nothing_that_is_not_there():
    grounding = ground(QWEN_2_5, SUN_HAT, vocabulary())
    assert grounding.unsupported == ()
    assert grounding.score == 1.0
    assert {claim.term for claim in grounding.claims} == {"30", "5"}


def test_the_llama_text_is_marked_with_the_demo_catalogues_own_words(demo_items):
    items = [*demo_items, SUN_HAT]
    assert ("breathable cotton material", "material") in marks(LLAMA_2, items=items)
    assert marks(QWEN_2_5, items=items) == []


@pytest.fixture(scope="module")
def demo_items():
    from genair_engine.catalog.demo import demo_catalogue

    drawn = demo_catalogue(users=10)
    return [{name: value for name, value in item.metadata.items() if value} for item in drawn.items]


def test_what_a_catalogue_teaches():
    learned = vocabulary()
    assert learned.materials == {"cotton": 3, "polyester": 2}  # "raw material" is no material
    assert learned.modifiers == {"breathable": 4}
    assert learned.properties == {"waterproof": 2, "bpa-free": 2}
    assert learned.attributes == {"breathable mesh": 2, "black": 3, "white": 2}
    assert learned.fields == {"breathable mesh": "features", "black": "color", "white": "color"}
    assert learned.brands == {"coolibar": 3, "nike": 2, "outdoor research": 1}  # "Gift" is an ordinary word here
    assert Vocabulary(**json.loads(json.dumps(learned.to_json()))) == learned


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("A hat made of cotton and polyester.", [("cotton", "material"), ("polyester", "material")]),
        ("Cotton lovers and polyester artists will come.", []),  # said of people
        ("Tailors work with cotton, away from polyester, in the cotton industry.", []),
        ("The soft cotton is light; it is polyester.", [("cotton", "material"), ("polyester", "material")]),
        ("Sewers join breathable fabrics; the breathable fabric is light.", [("breathable fabric", "material")]),
        ("Campers waterproof tents, and they waterproof boots.", [("waterproof", "property")]),
        ("Its polyester lining is soft.", [("polyester", "material")]),
        ("For fans of Nike and of Outdoor Research.", [("Nike", "brand"), ("Outdoor Research", "brand")]),
        ("For outdoor research and the goddess nike.", []),
        ("People outdoors. Outdoor Research staff.", [("Outdoor Research", "brand")]),
        ("A waterproof, BPA-free hat.", [("waterproof", "property"), ("BPA-free", "property")]),
        ("A white hat for black belts.", [("white", "attribute")]),
        ("It has breathable  mesh.", [("breathable  mesh", "attribute")]),
        ("At 12.50 dollars, 50% off, for 3-5 year olds.", [("12.50", "number"), ("50", "number"), ("3-5 year olds", "age")]),
        ("Rank 464412 and 464,412, rated 5 stars, in the 21st century, code X568.", []),
        ("1. One\n2) Two\n7 more", [("7", "number")]),
        ("", []),
        ("🎩" * 30 + " <b>qualité</b> قبعة", []),
    ],
)
def test_planted_claims(text, marked):
    assert marks(text) == marked


def test_a_planted_share_of_claims_is_the_score():
    item = {"title": "Rain Hat", "description": "Made of cotton, waterproof, 3 colours."}
    grounding = ground("A waterproof polyester hat in 3 colours; waterproof, for ages 2 to 4.", item, vocabulary())
    assert [(claim.kind, claim.term, claim.supported) for claim in grounding.claims] == [
        ("property", "waterproof", True),
        ("material", "polyester", False),
        ("number", "3", True),
        ("property", "waterproof", True),
        ("age", "ages 2 to 4", False),
    ]
    assert grounding.score == 2 / 4  # each term once
    assert ground("For people who like people.", item, vocabulary()).score is None


def test_ages_are_supported_by_ages_only():
    item = {"title": "Hat, 2 pieces", "description": "Ages 3 to 5 years."}
    assert marks("For ages 2 to 5.", item) == [("ages 2 to 5", "age")]
    assert marks("For ages 3-5.", item) == []


def test_a_listed_attribute_may_name_a_material_in_general():
    items = [
        {"title": "Pan", "features": "safe material, UPF fabric"},
        {"title": "Pot", "features": "UPF fabric, safe material"},
    ]
    assert marks("It has a safe material.", {"title": "Cup"}, items) == [("safe material", "attribute")]
    assert marks("Its safe material.", {"title": "Cup"}, items) == [("safe material", "material")]
    assert marks("Runners like UPF fabric.", {"title": "Cup"}, items) == [("UPF fabric", "attribute")]


def test_list_numbers_are_those_that_count_or_begin_a_line():
    text = "Costs 3. euros 1. One. 2. Two 2024. And 3. Three\n**7.** Seven 9. x"
    assert [text[start:end] for start, end in list_numbers(text)] == ["1", "2", "3", "7"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Batteries", "battery"),
        ("dresses", "dress"),
        ("ties", "tie"),
        ("Parent’s", "parent"),
        ("glass", "glass"),
        ("its", "its"),
    ],
)
def test_stems(word, expected):
    assert stem(word) == expected


WORDS = [
    "cotton",
    "breathable",
    "material",
    "Nike",
    "white",
    "hat",
    "30",
    "ages 3",
    "waterproof",
    "of the",
    "parents",
    ".",
    "1.",
    "\n",
]


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_claims_lie_in_the_text_and_do_not_overlap(text):
    claims = ground(text, SUN_HAT, vocabulary()).claims
    assert all(0 <= claim.start < claim.end <= len(text) for claim in claims)
    assert all(claim.end <= following.start for claim, following in itertools.pairwise(claims))


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_a_text_that_is_metadata_itself_is_supported(text):
    assert ground(text, SUN_HAT | {"description": text}, vocabulary()).unsupported == ()


@given(st.text(max_size=300))
def test_any_text_can_be_grounded(text):
    grounding = ground(text, {"title": text}, vocabulary())
    assert grounding.score in (None, 1.0)
    assert all(text[figure.start : figure.end] for figure in figures_of(text))
