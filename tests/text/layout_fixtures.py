"""Layout and sentence boundaries, written for this test: `¦` as in sentence_fixtures.py, newlines as in a document."""

LAYOUT: tuple[tuple[str, str], ...] = (
    ("en", "Overview\n¦This page tells how to set up a printer. ¦It is short."),
    (
        "en",
        "To turn Bluetooth on:\n¦Open the Activities overview and start typing Bluetooth.\n¦Click on Bluetooth to open the panel.",
    ),
    ("en", "Features:\n¦* fast and small\n¦* has no dependencies, not even\n  on the standard library\n¦* free"),
    (
        "en",
        "Common options include:\n¦-t, which keeps TCP connections only;\n¦-u, which does the same for UDP;\n¦-a, to list listening sockets.",
    ),
    ("en", "Two ways:\n¦1.\nAsk the program nicely.\n¦2.\nRead its source."),
    ("en", "First paragraph without a stop\n\n¦second paragraph\n \t\n¦third"),
    ("en", "Press Add\r\n\r\n¦Press Remove\r\n¦Press Close"),
    ("en", "# Install\n¦Run the installer. ¦Then reboot.\n\n¦Usage\n=====\n¦Call the function with a path."),
    (
        "en",
        "The list is sorted in place, which is why the method\nPython programmers reach for first returns None. ¦Use\nsorted() to keep the original.",
    ),
    (
        "en",
        "Reads the log files of the server.\n¦logcheck runs it every hour and mails what is unusual to the person in charge of that machine.",
    ),
    (
        "de",
        "Diese Zeile ist umgebrochen, weil die Breite des Fensters\nBuchstaben nur bis hierher zulässt. ¦Danach folgt noch\nein Satz.\n¦• Punkt eins. ¦Noch etwas.\n¦• Punkt zwei",
    ),
    ("ru", "Чтобы удалить файл:\n¦Откройте папку.\n¦Нажмите Delete\n¦Подтвердите удаление"),
    ("fr", "Il contient :\n¦– un éditeur ;\n¦– un lecteur ;\n¦– rien d'autre."),
    ("ja", "設定を開く\n¦「追加」を押します。\n¦名前を入力します。¦終わりです。"),
    ("zh", "特性：\n¦* 快速\n¦* 小巧。¦没有依赖"),
    ("hi", "सेटिंग खोलें\n¦फिर बटन दबाएँ।\n¦अंत।"),
    ("ar", "لحذف ملف:\n¦افتح المجلد.\n¦اضغط على حذف"),
    ("th", "เปิดหน้าต่าง\n¦กดปุ่มเพิ่ม\n¦พิมพ์ชื่อ"),
    (
        "en",
        "To print the page:\n¦Choose the printer that stands nearest to your desk\n¦Click Print\n¦Wait until the small lamp goes out and all of the paper has come out of it, then take it away with you\n¦Done",
    ),
    (
        "ru",
        "Если страница не печатается целиком, это можно исправить:\n¦Откройте настройки принтера и выберите размер бумаги\n¦Нажмите «Готово»",
    ),
    (
        "en",
        "Listing 3: the settings of the daemon that the server starts with\n¦[main] port = 80 user = www\n¦The port may be changed.",
    ),
    ("en", "The page lists the options:\n¦--force of the command\n¦? matches one letter, and nothing else at all."),
    (
        "de",
        "Das Paket enthält diese Werkzeuge:\n¦* ein Programm, das alle Dateien eines Ordners nach der\nGröße ordnet und anzeigt\n¦* ein zweites, das sie löscht",
    ),
    ("fr", "La commande fait trois choses ;\n¦elle lit le fichier ;\n¦elle le trie."),
    (
        "ja",
        "この道具は GNU Emacs と Vim の両方から使うことができる便利な検索の仕組みを\n提供します。¦索引は最初に一度だけ作られ、その後は変更された file だけが読み直\nされます。¦結果は画面の下に表示され、Enter を押すと該当する file の場所が別の\n窓で開きます",
    ),
    (
        "ko",
        "이 꾸러미에는 다음이 들어 있습니다:\n¦* libexample 라이브러리를 이용하여 이미지 파일을 다른 형식으로\n변환하는 프로그램\n¦* 설명서",
    ),
    ("zh", "包括：\n¦- 用于在图形界面中显示和编辑 PDF 与 PostScript 文件的程序，\n以及它的说明书\n¦- 一个库"),
    ("xx", "Un lin. ¦Du lin.\n\n¦Tri lin"),
)
