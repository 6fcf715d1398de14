from .questions import Replies
from .questions import ReplyQuality as ReplyQuality
from .questions import Suggestion as Suggestion
from .ratings import Satisfaction as Satisfaction
from .ratings import read_reviews
from .sentiment import Feedback
from .sentiment import Sentiment as Sentiment
from .subjects import TopicReturns as TopicReturns
from .subjects import Topics as Topics
from .subjects import topics, topics_and_returns
from .tokens import masked as masked

__all__ = ["Feedback", "Replies", "read_reviews", "topics", "topics_and_returns"]
