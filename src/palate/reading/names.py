"""Names that columns have in other people's tables, and the roles that they tell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

__all__ = ["CATALOGUE", "RATINGS", "find_column", "find_roles", "is_index_name", "plain_name"]

# Names in order of preference, as `plain_name` spells them. English first, then German, French, Spanish, Portuguese,
# Italian and Dutch.
_USER = (
    "user", "u", "reviewer", "rater", "customer", "client", "member", "person", "reader", "visitor", "account",
    "profile", "subscriber", "buyer", "shopper", "purchaser", "consumer", "viewer", "listener", "player", "gamer",
    "guest", "patient", "student", "learner", "voter", "judge", "participant", "household", "respondent", "session",
    "cookie", "device", "username", "useremail", "email", "login", "steam", "screen", "nick", "handle", "reviewprofile",
    "author", "who",
    "benutzer", "nutzer", "anwender", "kunde", "kunden", "kaufer", "kaeufer", "leser", "mitglied", "teilnehmer",
    "besteller", "besucher", "hoerer", "horer", "zuschauer", "spieler",
    "utilisateur", "usager", "acheteur", "lecteur", "membre", "abonne", "spectateur", "joueur",
    "usuario", "cliente", "comprador", "lector", "miembro", "socio", "jugador",
    "utilizador", "leitor", "membro", "jogador", "utente", "acquirente", "lettore", "giocatore",
    "gebruiker", "klant", "koper", "lezer", "lid", "speler",
    "anvandare", "kund", "bruker", "bruger", "kunde", "kayttaja", "uzytkownik", "klient", "uzivatel", "zakaznik",
    "felhasznalo", "kullanici", "musteri", "пользователь", "покупатель", "клиент", "користувач", "χρηστησ",
    "用户", "用戶", "顾客", "客户", "会员", "ユーザー", "ユーサー", "顧客", "사용자", "고객",
)  # fmt: skip
_ITEM = (
    "item", "i", "movie", "film", "joke", "product", "book", "parentasin", "asin", "isbn", "sku", "stock", "article",
    "track", "song", "artist", "album", "game", "anime", "manga", "recipe", "business", "restaurant", "place", "gmap",
    "poi", "venue", "location", "hotel", "listing", "show", "series", "video", "clip", "podcast", "episode", "app",
    "course", "content", "news", "post", "page", "paper", "document", "doc", "story", "quote", "beer", "wine", "food",
    "dish", "drink", "brand", "goods", "good", "merchandise", "ean", "upc", "gtin", "work", "object", "thing", "entity",
    "offer", "service", "job", "property", "url", "title", "what",
    "artikel", "produkt", "ware", "buch", "titel", "spiel", "lied", "stuck", "stueck", "gericht", "rezept", "serie",
    "produit", "livre", "oeuvre", "titre", "jeu", "chanson", "recette", "plat", "morceau",
    "articulo", "producto", "libro", "pelicula", "titulo", "juego", "cancion", "receta", "obra",
    "artigo", "produto", "livro", "filme", "jogo", "musica", "receita", "articolo", "prodotto", "titolo", "gioco",
    "canzone", "ricetta", "product", "boek", "spel", "liedje", "nummer",
    "vara", "bok", "vare", "bog", "tuote", "kirja", "elokuva", "przedmiot", "ksiazka", "polozka", "vyrobek", "kniha",
    "termek", "konyv", "urun", "kitap", "товар", "фильм", "книга", "предмет", "продукт", "προιον", "ταινια",
    "物品", "商品", "产品", "电影", "書", "书籍", "アイテム", "映画", "상품", "영화", "아이템",
)  # fmt: skip
_RATING = (
    "rating", "ratings", "r", "score", "stars", "star", "starrating", "rate", "rated", "overall", "overallrating",
    "grade", "mark", "vote", "points", "point", "preference", "pref", "feedback", "opinion", "evaluation", "bookrating",
    "userrating", "myrating", "yourrating", "myscore", "yourscore", "mystars", "movierating", "moviescore",
    "userscore", "reviewscore", "reviewrating", "reviewstars",
    "reviewoverall", "ratingvalue", "ratingscore", "itemrating", "liked", "like", "thumb", "thumbs", "sentiment",
    "recommended", "isrecommended", "recommend", "votedup", "value", "howmuch",
    "bewertung", "wertung", "sterne", "punkte", "punktzahl", "zensur", "urteil", "stern",
    "evaluation", "etoiles", "etoile", "appreciation", "avis", "notation",
    "puntuacion", "calificacion", "valoracion", "estrellas", "voto", "nota",
    "pontuacao", "classificacao", "avaliacao", "estrelas", "valutazione", "punteggio", "stelle", "giudizio",
    "beoordeling", "waardering", "cijfer", "sterren", "punten", "oordeel",
    "note",
    "betyg", "vurdering", "karakter", "arvosana", "arvio", "ocena", "hodnoceni", "hodnotenie", "ertekeles", "puan",
    "оценка", "реитинг", "оцінка", "βαθμολογια", "评分", "評分", "打分", "評価", "평점", "별점",
    # Of several ratings of one pair.
    "mean", "avg", "average", "meanrating", "avgrating", "averagerating", "mittelwert", "moyenne", "media",
    # Of events: how often, or how much.
    "weight", "count", "counts", "plays", "playcount", "playcounts", "listens", "listencount", "frequency", "freq",
    "quantity", "qty", "clicks", "views", "visits", "purchases", "hours", "hoursplayed", "playtime",
    "playtimeforever", "strength", "interaction",
    "interactions", "anzahl", "menge", "nombre", "quantite", "cantidad", "quantidade", "quantita", "aantal",
)  # fmt: skip
_TIME = (
    "timestamp", "unixtimestamp", "unixreviewtime", "unixtime", "epoch", "epochtime", "time", "ts", "datetime",
    "ratedat", "daterated", "dateread", "ratingtime", "ratingtimestamp", "ratingdate", "reviewtime", "reviewdate",
    "eventtime", "eventtimestamp",
    "eventdate", "orderdate", "ordertime", "invoicedate", "purchasedate", "transactiondate", "visittime", "created",
    "createdat", "createdon", "createdtime", "creationdate", "creationtime", "updatedat", "modifiedat", "dateadded",
    "timeadded", "date", "day", "t", "when", "year",
    "zeit", "datum", "zeitstempel", "zeitpunkt", "uhrzeit", "bestelldatum", "horodatage", "heure", "fecha", "hora",
    "fechahora", "marcadetiempo", "data", "dataora", "datahora", "tijd", "tijdstip", "tijdstempel",
    "dato", "tid", "tidspunkt", "aika", "czas", "cas", "zaman", "tarih", "время", "дата", "时间", "日期",
    "時間", "日時", "시간",
)  # fmt: skip
# What every row of a table of ratings tells.
RATINGS: Mapping[str, Sequence[str]] = {"user": _USER, "item": _ITEM, "rating": _RATING, "time": _TIME}
# Items that somebody has written.
_WRITTEN = frozenset({
    "book", "isbn", "title", "article", "paper", "document", "doc", "story", "quote", "post", "news", "song", "buch",
    "titel", "livre", "titre", "libro", "titulo", "livro", "titolo", "boek", "bok", "kniha", "книга",
})  # fmt: skip
# Names of items that are titles or texts in a catalogue.
_NO_IDS = ("title", "titel", "titre", "titulo", "titolo", "content")
# What a catalogue tells of every item.
CATALOGUE: Mapping[str, Sequence[str]] = {
    "id": ("item", "id", "tconst", *(name for name in _ITEM if name not in _NO_IDS)),
    "title": (
        "title", "name", "movietitle", "booktitle", "producttitle", "itemtitle", "itemname", "productname", "moviename",
        "gamename", "headline", "label", "primarytitle", "originaltitle", "displayname", "caption", "titel", "titre",
        "titulo", "titolo", "bezeichnung", "nom", "nombre", "nome", "naam", "navn",
        "namn", "nimi", "nazwa", "nazev", "название", "имя", "名称", "名前", "标题", "書名",
        "片名", "タイトル", "제목", "이름",
    ),
    "text": (
        "text", "joketext", "joke", "description", "body", "content", "summary", "overview", "plot", "abstract",
        "synopsis", "html", "beschreibung", "inhalt", "texte", "texto", "testo", "descripcion", "descricao",
        "descrizione", "beschrijving", "tekst", "inhoud",
    ),
}  # fmt: skip
# Names of a column that numbers the rows; writers of data frames leave it blank.
_INDEX = frozenset({"", "#", "unnamed", "index", "indexlevel0", "row", "rownames", "no", "nr", "num"})
# Endings that say what kind of name an id is; the first is the plainest.
_ENDINGS = (
    "id",
    "ids",
    "key",
    "code",
    "no",
    "nr",
    "nummer",
    "number",
    "num",
    "uuid",
    "guid",
    "hash",
    "idx",
    "index",
    "编号",
    "번호",
    "номер",
)
_NAMED = ("name", "email", "mail", "title")
_SPELLED = {"uid": "u", "iid": "i", "mid": "movie", "bid": "business", "pid": "product"}


@lru_cache(maxsize=1 << 12)
def _letters(name: str) -> str:
    # RecBole's atomic files say the type behind a colon; JSON that was nested says the way to the field before a dot.
    # Remarks stand in brackets: `Rating (1-5 stars)`.
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name.partition(":")[0])
    base = unicodedata.normalize("NFKD", (bare if bare.strip() else name).casefold().replace("ß", "ss"))
    letters = "".join(character for character in base if character.isalnum())
    return unicodedata.normalize("NFC", letters) or base.strip()


def plain_name(name: str) -> str:
    """Spell a name in letters and digits alone, without accents, case, type and "id" at its end.

    Examples
    --------
    >>> plain_name("User-ID"), plain_name("StockCode"), plain_name("item_id:token"), plain_name("Évaluation")
    ('user', 'stock', 'item', 'evaluation')
    """
    return _plain(name)[0]


@lru_cache(maxsize=1 << 12)
def _plain(name: str) -> tuple[str, int]:
    """Return the plain spelling, and how far it is from an id: 0 for ids, 1 for names and titles."""
    letters = _letters(name)
    if letters in _SPELLED:
        return _SPELLED[letters], 0
    for distance, endings in enumerate((_ENDINGS, _NAMED)):
        for ending in endings:
            if letters.endswith(ending) and len(letters) > len(ending):
                return letters.removesuffix(ending), distance
    return letters, 0


def is_index_name(name: str) -> bool:
    """Whether a column of that name may number the rows, such as the nameless first one that pandas writes."""
    return plain_name(name) in _INDEX


def find_column(names: Sequence[str], known: Sequence[str]) -> int | None:
    """Return the position of the column whose name is known, ids before names and titles, the best-known first."""
    best: tuple[int, int, int] | None = None
    rank = {name: place for place, name in reversed(list(enumerate(known)))}
    for position, name in enumerate(names):
        for spelling in _without_ways(name):
            letters = _letters(spelling)
            plain, distance = _plain(spelling)
            place = rank.get(letters, rank.get(plain, rank.get(letters.removeprefix("id"))))
            if place is not None and (best is None or (distance, place, position) < best):
                best = distance, place, position
            if place is not None:
                break
    return None if best is None else best[2]


def _without_ways(name: str) -> list[str]:
    """Return the name, and what is left of it without the objects around its field: `product.sku` and `sku`."""
    parts = name.split(".")
    return [".".join(parts[depth:]) for depth in range(len(parts))]


def find_roles(names: Sequence[str], known: Mapping[str, Sequence[str]] = RATINGS) -> dict[str, int]:
    """Return the roles whose column is recognised by its name, with its position. No column has two roles.

    Examples
    --------
    >>> find_roles(["userId", "movieId", "rating", "timestamp"])
    {'user': 0, 'item': 1, 'rating': 2, 'time': 3}
    """
    roles: dict[str, int] = {}
    left = list(names)
    for role, words in known.items():
        position = find_column(left, words)
        if position is not None:
            roles[role] = position
            left[position] = ""
    plain = {role: plain_name(names[position]) for role, position in roles.items()}
    if plain.get("user") == "author" and plain.get("item") in _WRITTEN:  # reviews have authors, and so have books
        del roles["user"]
    return roles
