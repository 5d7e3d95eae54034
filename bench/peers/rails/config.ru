# Action Cable as Rails has it, on puma and Redis, from Debian's packages:
# `REDIS_URL=... RAILS_MAX_THREADS=5 puma -b tcp://127.0.0.1:PORT config.ru`. `POST /broadcast` sends its JSON to all clients
# of BenchChannel; clients of PresenceChannel are counted in Redis, and each join sends all of them the new count.
require "action_controller/railtie"
require "action_cable/engine"
require "redis"

class Bench < Rails::Application
  config.root = __dir__
  config.eager_load = false
  config.secret_key_base = "bench" * 16
  config.logger = Logger.new(nil)
  config.hosts.clear
  config.action_cable.mount_path = "/cable"
  config.action_cable.disable_request_forgery_protection = true
end

STORE = Redis.new(url: ENV.fetch("REDIS_URL"))

class BenchConnection < ActionCable::Connection::Base
  identified_by :visitor

  def connect
    self.visitor = SecureRandom.uuid
  end
end

class BenchChannel < ActionCable::Channel::Base
  def subscribed
    stream_from "bench"
  end
end

class PresenceChannel < ActionCable::Channel::Base
  def subscribed
    stream_from "presence"
    ActionCable.server.broadcast("presence", { count: STORE.incr("count") })
  end

  def unsubscribed
    STORE.decr("count")
  end
end

class BroadcastsController < ActionController::API
  def create
    ActionCable.server.broadcast("bench", { p: params.require(:p) })
    head :no_content
  end
end

Bench.initialize!
ActionCable.server.config.cable = { "adapter" => "redis", "url" => ENV.fetch("REDIS_URL"), "channel_prefix" => "bench" }
ActionCable.server.config.connection_class = -> { BenchConnection }
ActionCable.server.config.logger = Logger.new(nil)
Bench.routes.draw { post "/broadcast", to: "broadcasts#create" }
STORE.set("count", 0)
run Bench
