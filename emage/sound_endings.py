"""The endings of the sound files and videos that the project looks for; the only list of them.

It is used where a folder holds other files too, and in --help. `emage.audio.read_audio` goes by the content, whatever the
ending.
"""

# Of several files of one recording the first in this order is used.
SOUND_ENDINGS = (
    *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".caf", ".wma", ".amr", ".oga"),
    *(".m4b", ".mka", ".weba", ".webm"),
)
VIDEO_ENDINGS = (".mp4", ".mov", ".m4v", ".mkv", ".avi", ".3gp")
SOUND_HELP = "wav, flac, mp3, m4a, aac, ogg, opus, aiff, wma, amr, or the sound of a webm, mp4 or mov"
