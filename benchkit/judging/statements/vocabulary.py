"""Words by which rules tell claims from conclusions; they are English."""

import re
from typing import Final

from benchkit.judging.statements.evidence import stem
from benchkit.judging.text_segmentation import FUNCTION_WORDS, split_words


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in split_words(text))


# Words of reasoning and of praise: nothing in a history can confirm or refute them.
GENERIC: Final = _stems(
    "able accordingly across add addition additional additionally again align allow already"
    " alternative although another appeal appear appreciate appreciation approach aspect associated"
    " attribute available aware away based because behavior being believe beneficial benefit best"
    " better between beyond big board both bought brand broader buy carefully categories category"
    " cater characteristic choice choose chose clear clearly combination combines come common"
    " complement complementary complete concern conclusion connection conscious consciousness"
    " consistency consistent consistently consume consumer consumption context continuation"
    " continue contribute convenience convenient craving cravings cuisine culinary curious current"
    " customer daily day decide decision delicious delightful demonstrate departure described"
    " description desire despite diet dietary different direct directly diverse diversify diversity"
    " drawn due easily easy effective effectiveness either emphasis emphasize encourage endeavors"
    " enhance enhancement enjoy enjoyable enjoyment enough ensure enthusiasm especially establish"
    " even everyday evidence evident excellent excitement exciting existing expand expect"
    " expectation experience experiment explicitly exploration explore express extend extension"
    " fact factor favor favorable favorite feature feedback feel few fewer final find first fit"
    " fitting five flavor flavorful focus focused follow food form former found four frequently fun"
    " further furthermore gave general generally get getting give given go goal good got gourmet"
    " gravitate great habit happy hence high higher highlight highly history however idea ideal"
    " important impression improve inclination inclined include increase indeed indicate indication"
    " individual indulgence indulgent influence initial initially instance instead interest"
    " introduce item journey keep key kind know known latter lead lean least less level lies"
    " lifestyle like likelihood likely line list logic logical logically long look love made main"
    " maintain make manner many marketed match may meaning meet memorable mention mindful more"
    " moreover mostly much multiple natural nature need negative neutral new next nice note notion"
    " number occasion offer offerings often one only open opinion opt option order oriented"
    " original overall pair part particular particularly past pattern people perceived perfect"
    " perfectly perhaps person personal pleasant pleased pleasure popular popularity positive"
    " positively possible potential potentially prefer preference preferred present previous"
    " previously primarily prior prioritize probably product profile progression proper prove"
    " provide purchase pursue quality question quick quite range rate rather ratings readily ready"
    " realm reason reasonable receive recent recommend recommendation reflect reflective regard"
    " regular reinforce related relevance relevant reliable represent resonate respectively rest"
    " result return review right role rooted satisfaction satisfied satisfies satisfy seamless"
    " seamlessly search second see seek seem seen select selection sense serve set several shared"
    " shift shop shopping show shown significant similar similarity similarly simple since"
    " situation social someone something sought specific specifically start state step still strong"
    " strongly style subsequent subsequently such suggest suit suitability suitable support suppose"
    " surprise taste tasty tend tendency theme themselves therefore thing third thought three thus"
    " time together top toward tradition traditional transition trend tried true try two type"
    " typical typically unique upon use used useful user uses using usual utility value variant"
    " variety various versatile versatility view want way well while whole wide wish within without"
    " word work worth would yet"
    " everything anything nothing adored disliked hated"
    " disappointed disappointing disappointment dissatisfaction dissatisfied regret"
    # Kinds of things, which a text of one of them need not name.
    " album artist author beverage book consumable cook dish drink eat eater family film friends"
    " game genre grocery health healthful healthier ingredient meal movie movies novel nutrition"
    " nutritional nutritious pantry premium recipe series snack song story title treat wellness"
)
# A clause with one of these speaks of what the user did or wrote, or of what a text says.
_CLAIM = re.compile(
    r"\b(?:purchas\w*|bought|buy\w*|order\w*|rated|rating\w*|review\w*|history|previous\w*|prior"
    r"|existing|past|mention\w*|prais\w*|stat(?:ed|es|ing)|describ\w*|not(?:ed|es|ing)|express\w*"
    r"|highlight\w*|feedback|experience\w*|shown|watched|played|read|listened|known for|marketed"
    r"|indicated by|evidenced by|as seen|chose\w*|choice of|enjoyed|liked|loved|disliked)\b",
    re.IGNORECASE,
)
# An item is said to be something, or to have something.
_PREDICATE = re.compile(
    r"\b(?:is|are|was|were|being|has|have|contains?|includ\w*|featur\w*|offer\w*|provid\w*"
    r"|combin\w*|made|serv\w*|boast\w*|com(?:es|ing) (?:in|with)|consist\w*|evok\w*|highlight\w*"
    r"|described|used|emphasiz\w*|with|as an?|suitab\w*)\b",
    re.IGNORECASE,
)
# A clause that begins so, or whose verb is one of these, concludes from what was said before.
_CONCLUSION = re.compile(
    r"^(?:(?:and|but|while|which|it|this|that|these|thus|hence|so|therefore|overall|additionally"
    r"|furthermore|moreover|further|strongly|clearly|also|in conclusion|given)\b[\s,]*)*"
    r"(?:suggest\w*|indicat\w*|reinforc\w*|reflect\w*|demonstrat\w*|show\w*|impl\w+|mean\w*"
    r"|making|supports?|could|may|might|would|seems?|appears?|likely|caters?)\b",
    re.IGNORECASE,
)
_THEN = re.compile(
    r"\b(?:suggest\w*|indicat(?!ed by)\w*|impl(?:y|ies|ying)|reinforc\w*|reflect\w*|demonstrat\w*"
    r"|align\w*|complement\w*|fits?|appeal\w*|support\w*|mak(?:es|ing) it|resonat\w*)\b",
    re.IGNORECASE,
)
_GUESS = re.compile(
    r"\b(?:may|might|could|would|likely|perhaps|possibly|probably|potentially|seem\w*|appear\w*)\b",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"^(?:overall|thus|therefore|hence|in conclusion|in summary|consequently|as a result"
    r"|ultimately|given)\b",
    re.IGNORECASE,
)
_PURCHASES = re.compile(
    r"\b(?:previous|existing|past|earlier)\s+(?:\w+\s+)?(?:purchases?|choices?)\s+(?:of|for|like)\b"
    r"|\b(?:history|pattern|trend) of\b",
    re.IGNORECASE,
)
_EACH = re.compile(r"\b(?:both|each|all)\b(?! for\b)", re.IGNORECASE)
_OF_REVIEWS = re.compile(
    r"\b(?:in (?:their|the|his|her) review|reviews? (?:\w+ ){0,6}?(?:highlight|mention|stat|indicat"
    r"|not|emphasi|describ|prais|point|say)\w*|mention\w*|prais\w*|specifically highlighting"
    r"|expressed|comment\w*|wrote|complain\w*)\b",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(?:both|these|this|it|its|they|them|which|all|such|the (?:positive |negative |excellent "
    r"|good )?(?:reviews?|ratings?|experience))\b",
    re.IGNORECASE,
)
_PAST = re.compile(r"\b(?:previous\w*|prior|past|existing|history|across)\b", re.IGNORECASE)


def is_claim(clause: str) -> bool:
    """Return whether a clause speaks of what was bought, rated or written, or of what texts say.

    >>> is_claim("They rated the tea as Good"), is_claim("This fits their taste")
    (True, False)
    """
    return bool(_CLAIM.search(clause))


def has_predicate(clause: str) -> bool:
    """Return whether a clause says of something what it is or has."""
    return bool(_PREDICATE.search(clause))


def is_conclusion(clause: str) -> bool:
    """Return whether a clause concludes from what was said before.

    >>> is_conclusion("suggesting a liking for tea"), is_conclusion("The tea was rated Good")
    (True, False)
    """
    return bool(_CONCLUSION.match(clause))


def is_summary(clause: str) -> bool:
    """Return whether a clause sums up ("Overall, ...") and does not say again what was bought.

    >>> is_summary("Overall, it fits"), is_summary("Thus it is like their past choices of tea")
    (True, False)
    """
    return bool(_SUMMARY.match(clause)) and not _PURCHASES.search(clause)


def premise(clause: str) -> str:
    """Return a clause up to its first word of concluding, such as "suggests" or "fits".

    What a statement concludes cannot be checked; what it concludes from can.

    >>> premise("The good reviews suggest a liking for tea")
    'The good reviews '
    """
    then = _THEN.search(clause)
    return clause[: then.start()] if then and then.start() else clause


def is_guess(clause: str) -> bool:
    """Return whether a clause is hedged: "may", "likely", "seems"."""
    return bool(_GUESS.search(clause))


def speaks_of_each(clause: str) -> bool:
    """Return whether a clause says the same of each of several items: "both", "all these"."""
    return bool(_EACH.search(clause))


def speaks_of_reviews(clause: str) -> bool:
    """Return whether a clause says what the user wrote.

    >>> speaks_of_reviews("the review mentions its taste"), speaks_of_reviews("positive reviews")
    (True, False)
    """
    return bool(_OF_REVIEWS.search(clause))


def definite_stems(words: list[str]) -> list[str]:
    """Return the stems of words that a text could confirm: neither generic nor of reasoning."""
    stems = dict.fromkeys(stem(word) for word in words if word not in FUNCTION_WORDS)
    return [part for part in stems if part not in GENERIC and not part.isdigit() and len(part) > 1]


def refers_back(clause: str) -> bool:
    """Return whether a clause without a name may speak of the items named before.

    >>> refers_back("Both received good ratings"), refers_back("The customer likes tea")
    (True, False)
    >>> refers_back("All their previous purchases have good ratings")
    False
    """
    return bool(_BACK.search(clause)) and not _PAST.search(clause)
