from .spoken import ENGLISH as ENGLISH
from .spoken import LANGUAGES as LANGUAGES
from .spoken import _ as _
from .spoken import axis_dates as axis_dates
from .spoken import check_language as check_language
from .spoken import close_up as close_up
from .spoken import currency_sign as currency_sign
from .spoken import day_words as day_words
from .spoken import decimal as decimal
from .spoken import language as language
from .spoken import messages as messages
from .spoken import month_words as month_words
from .spoken import own_name as own_name
from .spoken import page_language as page_language
from .spoken import percent_sign as percent_sign
from .spoken import recorded as recorded
from .spoken import recording as recording
from .spoken import remembered as remembered
from .spoken import show_in as show_in
from .spoken import shown_language as shown_language
from .spoken import speak, speaking

__all__ = ["speak", "speaking"]
