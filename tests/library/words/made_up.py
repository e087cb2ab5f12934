"""200 made-up names of files as people give them, each with the word that it is for."""

from __future__ import annotations

WORDS = {
    "en": (
        "rise, sunset, beautiful, ice cream, ice, house, dog, hot dog, umbrella, café, "
        "run, bounce, go to bed, don't, mother-in-law, 7 up, mp3, knife, baby, city, "
        "bicycle, necessary, breakfast, light, elephant, tomato, swim, swimming pool, "
        "traffic light, take off, butterfly, mountain, laugh, thirsty, résumé, "
        "well-known, wash the dishes, strawberry, accommodation, teacher, green, "
        "write, wet"
    ),
    "de": (
        "über, Straße, Haus, Apfel, Regenschirm, Mädchen, schön, Fußball, Brötchen, "
        "Zug, Schlüssel, grün, Frühstück, Kühlschrank, laufen"
    ),
    "fr": "garçon, forêt, cheval, œuf, belle, école, fenêtre, pomme de terre, élève",
    "es": "niño, perro, mañana, corazón, feliz, montaña, lápiz",
    "zh": "漂亮的, 日落, 女孩, 银行, 弹起, 冰淇淋, 跑步, 图书馆",
    "ar": "غروب, كتاب, جميل, قطة, مدرسة",
    "ru": "собака, ёлка, книга, красивый",
    "ko": "예쁜, 강아지",
    "tr": "ışık, güneş",
}

# What comes of the naming rule alone.
_NAMED = """
rise_sun.mp4 = rise
beautiful.mp4 = beautiful
Beautiful_Sunset.MOV = beautiful
ice-cream_cone.mp4 = ice cream
ice_cream_cone.mp4 = ice cream
ice_cube.mp4 = ice
hot_dog_stand.mp4 = hot dog
go-to-bed_child.mp4 = go to bed
mother_in_law.mp4 = mother-in-law
7_up_can.mp4 = 7 up
mp3_player.webm = mp3
don’t_go.mp4 = don't
traffic light_2.m4v = traffic light
swimming-pool_kids.mp4 = swimming pool
swim_dolphin.mp4 = swim
STRASSE.mp4 = Straße
schön_blume.mp4 = schön
pomme_de_terre_1.mp4 = pomme de terre
漂亮的_女人.mp4 = 漂亮的
日落.mp4 = 日落
图书馆_2.mp4 = 图书馆
غروب_البحر.mp4 = غروب
собака_парк.mp4 = собака
예쁜_꽃.mp4 = 예쁜
en/week 3/green_leaf.mp4 = green
"""

_ACCENTS = """
cafe.mp4 = café
Cafe_Paris.mp4 = café
resume_paper.mp4 = résumé
uber_bruecke.mp4 = über
ueber.mp4 = über
UEBER_Bruecke.mp4 = über
Maedchen_singt.mp4 = Mädchen
madchen.mp4 = Mädchen
Fussball_Tor.mp4 = Fußball
broetchen.mp4 = Brötchen
Schluessel_1.mp4 = Schlüssel
fruehstueck.mp4 = Frühstück
kuehlschrank_offen.mp4 = Kühlschrank
garcon_parc.mp4 = garçon
foret.mp4 = forêt
oeuf_dur.mp4 = œuf
ecole.mp4 = école
fenetre_ouverte.mp4 = fenêtre
eleve.mp4 = élève
nino_playa.mp4 = niño
manana.mp4 = mañana
corazon_rojo.mp4 = corazón
lapiz.mp4 = lápiz
елка.mp4 = ёлка
isik.mp4 = ışık
gunes_deniz.mp4 = güneş
جَمِيل.mp4 = جميل
قطه.mp4 = قطة
قـطـة_سوداء.mp4 = قطة
مدرسه.mp4 = مدرسة
"""

_ENDINGS = """
houses.mp4 = house
dogs_playing.mp4 = dog
Umbrellas_rain.mp4 = umbrella
running_man.mp4 = run
bouncing-ball.mp4 = bounce
knives.mp4 = knife
babies_sleeping.mp4 = baby
cities.mp4 = city
bicycles_race.mp4 = bicycle
lights.mp4 = light
tomatoes.mp4 = tomato
elephants_water.mp4 = elephant
laughing_girl.mp4 = laugh
butterflies.mp4 = butterfly
teachers_room.mp4 = teacher
writing_letter.mp4 = write
rising_sun.mp4 = rise
traffic_lights.mp4 = traffic light
hot_dogs.mp4 = hot dog
beautifully.mp4 = beautiful
laeuft.mp4 = laufen
Häuser_Dorf.mp4 = Haus
Züge.mp4 = Zug
schöne_Blume.mp4 = schön
Straßen.mp4 = Straße
chevaux.mp4 = cheval
belles_fleurs.mp4 = belle
perros.mp4 = perro
niños_jugando.mp4 = niño
montanas.mp4 = montaña
собаки.mp4 = собака
красивая_девушка.mp4 = красивый
книги.mp4 = книга
漂亮.mp4 = 漂亮的
跑步了.mp4 = 跑步
الغروب.mp4 = غروب
"""

_TYPED = """
beautifull.mp4 = beautiful
bueatiful_girl.mp4 = beautiful
beatiful.mp4 = beautiful
umbrela_red.mp4 = umbrella
umberlla.mp4 = umbrella
necesary.mp4 = necessary
neccessary.mp4 = necessary
accomodation.mp4 = accommodation
acommodation_hotel.mp4 = accommodation
brekfast.mp4 = breakfast
breakfats_table.mp4 = breakfast
bycicle.mp4 = bicycle
elefant.mp4 = elephant
elephnat.mp4 = elephant
strawbery.mp4 = strawberry
stawberry_cake.mp4 = strawberry
buterfly.mp4 = butterfly
mountian.mp4 = mountain
thristy_man.mp4 = thirsty
laguh.mp4 = laugh
sunst.mp4 = sunset
ice_creem.mp4 = ice cream
trafic_light.mp4 = traffic light
swiming_pool.mp4 = swimming pool
tomatoe.mp4 = tomato
teahcer.mp4 = teacher
Regenschrim.mp4 = Regenschirm
Frühstuck_Ei.mp4 = Frühstück
Schlüsel.mp4 = Schlüssel
corazzon.mp4 = corazón
собакаа.mp4 = собака
"""

_ORDERED = """
cream_ice.mp4 = ice cream
pool-swimming.mp4 = swimming pool
light_traffic_red.mp4 = traffic light
bed_go_to.mp4 = go to bed
dishes_wash_the.mp4 = wash the dishes
known_well.mp4 = well-known
terre_pomme_de.mp4 = pomme de terre
IceCream.mp4 = ice cream
icecream_boy.mp4 = ice cream
motherinlaw.mp4 = mother-in-law
wellknown.mp4 = well-known
trafficlight.mp4 = traffic light
takeoff_plane.mp4 = take off
sun-set.mp4 = sunset
butter_fly.mp4 = butterfly
7up.mp4 = 7 up
Mp3.mp4 = mp3
hotdog.mp4 = hot dog
日_落.mp4 = 日落
"""

_NUMBERED = """
01_rise.mp4 = rise
003 house.mp4 = house
rise2.mp4 = rise
rise (2).mp4 = rise
Dog-1080p.mp4 = dog
IMG_0042_dog.mp4 = dog
VID_20240101_umbrella.mp4 = umbrella
umbrella - final.mp4 = umbrella
umbrella_copy_2.mp4 = umbrella
the_elephant.mp4 = elephant
a-butterfly.mp4 = butterfly
to_laugh.mp4 = laugh
das_Haus.mp4 = Haus
la_fenêtre.mp4 = fenêtre
el_perro.mp4 = perro
12日落.mp4 = 日落
漂亮的女孩.mp4 = 漂亮的
lesson4-thirsty.mp4 = thirsty
unit_2_mountain.mp4 = mountain
big_dog.mp4 = dog
"""

_FOR_NO_WORD = """
IMG_2034.mp4
VID_20240315_101500.mp4
DSC00012.MOV
PXL_20230704_120000123.mp4
Screen Recording 2024-01-01.mov
movie.mp4
untitled.mp4
final_v2.mp4
test.mp4
video (3).mp4
mouse.mp4
horse_field.mp4
night.mp4
right_turn.mp4
fog.mp4
frog_jump.mp4
rice_bowl.mp4
price.mp4
nice_day.mp4
lighter.mp4
gum.mp4
fountain.mp4
win.mp4
rum_bottle.mp4
ruin.mp4
pity.mp4
lady.mp4
teach.mp4
let.mp4
Maus.mp4
Hund.mp4
Zeug.mp4
matin.mp4
cerro.mp4
日出.mp4
银色.mp4
كلب.mp4
кошка.mp4
학교.mp4
"""


def list_names() -> list[tuple[str, str | None]]:
    """Return each file name with the word that it is for, or None."""
    kinds = (_NAMED, _ACCENTS, _ENDINGS, _TYPED, _ORDERED, _NUMBERED, _FOR_NO_WORD)
    lines = "".join(kinds).split("\n")
    pairs = (line.partition(" = ") for line in lines if line)
    return [(name, word or None) for name, _, word in pairs]


def list_words() -> list[tuple[str, str]]:
    """Return each word with its language."""
    return [
        (word, language)
        for language, words in WORDS.items()
        for word in words.split(", ")
    ]
