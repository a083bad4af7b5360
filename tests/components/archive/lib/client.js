const { axiosReqWithRetryOnServerError, getErrMsg } = require('@elastic.io/component-commons-library');

class Client {
  constructor(context, cfg) {
    this.logger = context.logger;
    this.cfg = cfg;
  }

  async request(options) {
    const { url: baseURL, username, password } = this.cfg;
    try {
      const response = await axiosReqWithRetryOnServerError.call(this, { ...options, baseURL, auth: { username, password } });
      return response.data;
    } catch (error) {
      throw error.response ? new Error(getErrMsg(error.response)) : error;
    }
  }
}

module.exports.Client = Client;
