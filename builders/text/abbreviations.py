"""Abbreviations that the sentence engine does not know in all their spellings; lowercase, without the last full stop.

LEADING ones stand before a name or a place in a book ("Sig. Rossi", "cf. la note") and never end a sentence. TRAILING
ones may: they don't where a lowercase word or a number follows ("Art. 5", but "Werke dieser Art. Danach"). A word that
is also a common word, or a unit, is TRAILING. ENDING ones close a list, so that a capital after them begins a sentence.
NO_ABBREVIATIONS are words that the engine takes for abbreviations: Italian "file." is no "filosofia".
"""


def _table(words: dict[str, str]) -> dict[str, frozenset[str]]:
    return {language: frozenset(line.split()) for language, line in words.items()}


LEADING = _table(
    {
        "ar": "أ د م أ.د د.م ق.م ص.ب",
        "bn": "ডা ড ডঃ মো মোঃ মোসা মোসাঃ মি খ্রি পূ খ্রি.পূ অধ্যা ইঞ্জি প্রফে অ্যাড রেভা",
        "de": "bzw ca d.h dipl dipl.-ing dr.-ing evtl fr ggf hr inkl max min prof vgl z.b zit",
        "es": "avda cf dr dra exc excmo excma prof profa sr sra srta sres",
        "fa": "ج ر ک م ر.ک ق.م ه.ش ه.ق",
        "fi": "dos ins ks kuv maist prof toht vrt",
        "fr": "cf m mgr mm mme mlle pr prof st ste verr",
        "hi": "डॉ डा प्रो श्री श्रीमती पं कु कुं सुश्री मि स्व मो न्या",
        "id": "bpk dr drs dra ir jl jln kab kec kel ny prof sdr sdri tn",
        "it": "avv cfr dott dott.ssa geom ing prof prof.ssa rag sig sig.na sig.ra sigg",
        "pt": "av cf dr dra exma exmo ilma ilmo prof profa sr sra srs",
        "ru": "акад гр доц инж корп обл пер просп проф рис ср стр табл ул",
        "sw": "bi bw dk dkt hesh mch mhe mwl ndg prof",
        "te": "డా ప్రొ శ్రీ శ్రీమతి రూ క్రీ క్రీ.శ క్రీ.పూ పూ సం నం",
        "th": "ดร ศ ผศ รศ นพ พญ ทพ พ.ศ ค.ศ ร.ศ ม.ล ม.ร.ว ม.จ พล.อ พ.ต.อ ด.ช ด.ญ น.ส",
    }
)

TRAILING = _table(
    {
        "ar": "ص ج ط ت هـ",
        "bn": "পৃ নং কি.মি",
        "de": "abb art aufl bd etc jh kap nr s tab u.a usf usw z.t",
        "en": "approx art ch eq fig figs fx no nos p pp sec vol",
        "es": "aprox art cap ee.uu etc fig núm núms p pág págs pp ud uds vol",
        "fa": "ص ت ه",
        "fi": "em esim jne klo mm n nro ns oy s siv tms ts yms",
        "fr": "art av chap env etc ex fig maj n num p pp t vol",
        "hi": "रु रू पृ सं ई.पू कि.मी",
        "id": "a.n d.a dll dsb dst gbr hlm no rp tab tbk tel tgl telp tlp u.p",
        "it": "art ca cap ecc es etc fig n nn p pag pagg pp tab vol",
        "pt": "aprox art cap caps etc ex fig figs ltda n núm p pag pags pp pág págs r tel vol",
        "ru": "в вв г гг гл д доп др кв коп млн млрд напр пос пр прим пп руб см ст т.д т.е т.к т.н т.п тыс чел шт экз",
        "sw": "b.k k.k k.m k.v kur n.k taz tzs uk",
        "te": "కి.మీ పే",
        "th": "กม น",
        "tr": "bkz bs cad fig mad örn s sf sok sy vb vd vs yy",
    }
)

ENDING = frozenset("dll dsb ecc etc jne n.k usf usw".split())

# Mostly the words that the engine refused to end a sentence with in the development corpora, less true abbreviations.
NO_ABBREVIATIONS = _table(
    {
        "en": "abc conn exec ext id ok que",
        "es": "auto bien con contra de en entre extra macro mono mini multi no para sobre super un",
        "fr": "apr dir id lib",
        "id": "ia id me ok",
        "it": "add all app apt arch are ascii bei bot card cat cd cli codec con cron db dhcp dir doc fa fasi file fin "
        "fit fra ftp ha html http id idl int it la led lo mai min nodo on ore part pip port raid rpm se set si sia "
        "stat su tar tcp top udp url usa usb vga vi via vpn worm www xml",
    }
)
